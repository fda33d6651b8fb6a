"""Settings written down: as the run's `config.yaml`, as a hash, and as a list of differences.

Two runs whose `config_sha256` is equal are meant to give the same result on the same machine.
What only says where and how a run is executed is left out: paths, logging, worker processes,
threads, device.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from usb_ext.settings.algorithms import EXTENSIONS, parts_of
from usb_ext.settings.as3l import AS3LSettings, SelfSupervisedSettings
from usb_ext.settings.kinds import is_path
from usb_ext.settings.layermatch import MechanismSettings
from usb_ext.settings.model import DEAD, GROUPS, Settings, default_of, options_of
from usb_ext.settings.run import DistributedSettings
from usb_ext.settings.smooth import CALIBRATE
from usb_ext.settings.training import precision_of

WITHOUT_INFLUENCE: frozenset[str] = frozenset(
    "recipe plugin save_dir save_name save_tag resume load_path overwrite yes use_tensorboard use_wandb "
    "use_aim num_workers progress data_dir num_log_iter num_save_iter cache_budget_mb image_cache "
    "image_budget_mb device num_threads calibration_iter calibration_share without_test feature_file "
    "weak_no_grad selected_only".split()
).union(
    DistributedSettings.model_fields.keys() - {"sync_bn"},
    DEAD,
    MechanismSettings.model_fields,
    SelfSupervisedSettings.model_fields,
    AS3LSettings.model_fields,
)
"""Names that do not influence a run's result, up to rounding; what is made before a run is none of it."""

INFLUENTIAL: tuple[str, ...] = tuple(
    name for group in GROUPS for name in group.model_fields if name not in WITHOUT_INFLUENCE
)
"""Names that do, in the order of the groups."""


PATHS: frozenset[str] = frozenset(n for n, f in Settings.model_fields.items() if is_path(f))
"""Names of files and folders."""

OF_A_PROCESS: frozenset[str] = PATHS.union(
    "rank gpu dist_url meet_seconds num_workers num_threads progress cache_budget_mb image_budget_mb yes "
    "use_tensorboard use_wandb use_aim".split(),
    DEAD,
)
"""Names in which processes that train one run together may differ: what is where, and how each works."""

UNSAID: dict[str, object] = {"sync_bn": True}
"""Values that enter no hash, as None does not: what every run had before there was a choice."""


def resolved_yaml(settings: Settings) -> str:
    """The settings as a YAML file that `load_settings` reads back to equal ones.

    Settings that are None are left out. So is `overwrite`: it is an order, given once on the
    command line, and no property of the run. `amp` is written as USB's boolean where it has one.

    Args:
        settings: what to write.
    """
    values = settings.model_dump(exclude={"overwrite"}, exclude_none=True)
    values["amp"] = {"off": False, "fp16": True}.get(settings.amp, settings.amp)
    values = {n: list(v) if isinstance(v, tuple) else v for n, v in values.items()}
    return "\n".join(
        f"# {group.heading}\n{_dumped(part)}"
        for group in GROUPS
        if (part := {name: values[name] for name in group.model_fields if name in values})
    )


def config_sha256(settings: Settings) -> str:
    """SHA-256, in 64 hexadecimal digits, over the settings that influence the result.

    Settings that are None do not enter, nor those at a value of `UNSAID`, nor the options of an extension
    that the run does not have, so that an option added later changes no earlier hash.

    Args:
        settings: what to hash.
    """
    values = influential(settings.model_dump())
    idle = idle_options(settings.model_dump())
    entered = {
        n: v for n, v in values.items() if v is not None and n not in idle and v != UNSAID.get(n)
    }
    text = json.dumps(entered, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def idle_options(values: Mapping[str, object]) -> frozenset[str]:
    """Options of extensions that a run does not have.

    Args:
        values: of its settings by name, such as a stored `config.yaml`; a name that is missing is at its
            default.
    """
    asked = values.get("extensions")
    algorithm = str(values.get("algorithm", default_of("algorithm")))
    parts = parts_of(algorithm, tuple(asked) if isinstance(asked, list | tuple) else ())
    idle = (name for name in EXTENSIONS if name not in parts or values.get(name) is False)
    return frozenset(option for name in idle for option in options_of(name))


def differing_keys(
    a: Mapping[str, object], b: Mapping[str, object]
) -> dict[str, tuple[object, object]]:
    """The settings that influence the result and differ, with both values.

    Options of extensions that neither run has are left out.

    Args:
        a: values by name, such as a stored `config.yaml`; a name that is missing is at its default.
        b: the same for the other run.
    """
    left, right = influential(a), influential(b)
    compared = [n for n in INFLUENTIAL if n not in idle_options(left) & idle_options(right)]
    return {n: (left[n], right[n]) for n in compared if not _equal(left[n], right[n])}


def differing_between_processes(
    a: Mapping[str, object], b: Mapping[str, object]
) -> dict[str, tuple[object, object]]:
    """The settings that processes of one run must share and do not, with both values.

    Beside what influences the result this is all that says when they exchange something.

    Args:
        a: every setting's value by name.
        b: the same for the other process.
    """
    others = [n for n in Settings.model_fields if n not in OF_A_PROCESS and n not in INFLUENTIAL]
    return differing_keys(a, b) | {n: (a[n], b[n]) for n in others if a[n] != b[n]}


def as_normalised(values: Mapping[str, Any], counts: Sequence[int] | None) -> dict[str, Any]:
    """The settings of a run, with `sync_bn` in the words of what it came to.

    Off, it is another method for each number of processes, and on one process none at all.

    Args:
        values: as `influential` gives them.
        counts: `bn_processes` of the run's record; None where it has none.
    """
    if values["sync_bn"] or counts is None:
        return dict(values)
    several = set(counts) - {1}
    told = f"off on {' then '.join(map(str, counts))} processes" if several else True
    return {**values, "sync_bn": told}


def _equal(a: object, b: object) -> bool:
    """Whether two values are the same order: `calibrate` is any number that was measured for it."""
    numbers = (int, float)
    measured = (a == CALIBRATE and isinstance(b, numbers)) or (
        b == CALIBRATE and isinstance(a, numbers)
    )
    return measured or a == b


def influential(raw: Mapping[str, object]) -> dict[str, Any]:
    """The values of INFLUENTIAL in one spelling: blanks as None, `amp` as text, lists sorted.

    Args:
        raw: values by name as a file or a model gives them; other names are ignored.
    """
    given: dict[str, Any] = {**_defaults(), **Settings.without_blanks(raw)}
    if given["label_seed"] is None:
        given["label_seed"] = given["seed"]
    given["amp"] = precision_of(given["amp"])
    for name in PATHS & given.keys():  # as an older run may have kept them
        if isinstance(given[name], str):
            given[name] = os.path.expanduser(given[name])
    if isinstance(given["extensions"], list | tuple):
        given["extensions"] = sorted(given["extensions"], key=str)
    return {name: given[name] for name in INFLUENTIAL}


def _defaults() -> dict[str, Any]:
    """Every setting at its default."""
    return {name: field.default for name, field in Settings.model_fields.items()}


def _dumped(values: Mapping[str, object]) -> str:
    """A flat mapping as YAML, in its own order, one line a scalar."""
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.width = 4096
    stream = StringIO()
    for name, value in values.items():
        writer.dump({name: value}, stream)
    return stream.getvalue()
