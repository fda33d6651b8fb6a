"""What a run's folder is called where nobody says: two methods never share a name.

`layermatch-grad_relu.uda_T0.9_cifar10_40_s0`: the algorithm, parts put on it (`+`) and taken away (`-`),
another base than its own, USB's own class (`.usb`), the options given beside a settings file, then data set,
labels and seeds. The file itself is the recipe of its method and names no options.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from usb_ext.settings.algorithms import ALGORITHMS, BASES, base_of
from usb_ext.settings.as3l import PriorSettings
from usb_ext.settings.group import SettingsGroup
from usb_ext.settings.influence import InfluenceSettings
from usb_ext.settings.layermatch import AvgClusteringSettings, GradReLUSettings
from usb_ext.settings.smooth import SmoothSettings
from usb_ext.settings.usb_options import ConsistencySettings, ImbalanceSettings, ThresholdSettings

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings

METHOD_GROUPS: tuple[type[SettingsGroup], ...] = (
    GradReLUSettings, AvgClusteringSettings, SmoothSettings, InfluenceSettings, PriorSettings,
    ThresholdSettings, ConsistencySettings, ImbalanceSettings,
)  # fmt: skip
OPTIONS: tuple[str, ...] = (
    "ulb_loss_mean", "ulb_loss_ratio", "use_cat",
    *(
        name
        for group in METHOD_GROUPS
        for name in group.model_fields
        if name not in ("imb_algorithm", group.part_of)
    ),
)  # fmt: skip
"""Settings that make another method of the same algorithm, beside those that `method_name` reads."""

MOST_SPELLED = 3
"""ours: options that are spelled out; more are a number and the beginning of a digest."""


def run_name(s: "Settings") -> str:
    """The name: method, data set, number of labels and seed; the label seed where it is another one.

    Args:
        s: settings without `save_name`.
    """
    method = f"{method_name(s)}_{s.save_tag}" if s.save_tag else method_name(s)
    seeds = f"s{s.seed}" if s.split_seed == s.seed else f"l{s.split_seed}_s{s.seed}"
    return f"{method}_{s.dataset}_{s.num_labels}_{seeds}"


def method_name(s: "Settings") -> str:
    """The algorithm with what was put on it and taken away, such as `fixmatch+grad_relu`.

    Args:
        s: settings.
    """
    declared = ALGORITHMS[s.algorithm].extensions if s.algorithm in ALGORITHMS else ()
    active = s.active_extensions
    parts = [f"-{name}" for name in declared if name not in active]
    parts += [f"+{name}" for name in active if name not in declared]
    parts += [f"+{s.imb_algorithm}"] if s.imb_algorithm else []
    parts += [f".{s.base}"] if s.base and s.base != base_of(s.algorithm) else []
    parts += [".usb"] if s.step == "usb" else []
    return s.algorithm + "".join(parts)


def save_tag(s: "Settings", file: Mapping[str, object], flags: Mapping[str, object]) -> str | None:
    """What the options add to the name that were given beside a file, such as `p_cutoff0.9`.

    Args:
        s: the settings that came of both.
        file: values of the file.
        flags: values that stand over it.

    Returns:
        The file's own tag and the options; None for nothing.
    """
    before = {**_defaults(s), **file}
    given = {n: getattr(s, n) for n in OPTIONS if n in flags and getattr(s, n) != before.get(n)}
    said = [f"{name}{_short(value)}" for name, value in sorted(given.items())]
    if len(said) > MOST_SPELLED:
        digest = hashlib.sha256(repr(sorted(given.items())).encode()).hexdigest()
        said = [f"{len(said)}options-{digest[:6]}"]
    tag = file.get("save_tag")
    return "_".join([*([str(tag)] if tag else []), *said]) or None


def _defaults(s: "Settings") -> dict[str, object]:
    """Each option at the algorithm's own default."""
    base = BASES.get(s.active_base or "")
    own = {} if base is None else {**base.options, **base.other_defaults}
    own |= ALGORITHMS[s.algorithm].options if s.algorithm in ALGORITHMS else {}
    return {n: own.get(n, type(s).model_fields[n].default) for n in OPTIONS}


def _short(value: object) -> str:
    """A value as part of a folder's name; one that is no plain word by its digest."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if re.fullmatch(r"[A-Za-z0-9.+-]{1,16}", text):
        return text
    return "-" + hashlib.sha256(text.encode()).hexdigest()[:6]
