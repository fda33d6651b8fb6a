"""Methods as the command line names them: an algorithm with settings of its own, so that an
ablation is a method too.

    fixmatch                                    the algorithm, its own defaults
    fixmatch:p_cutoff=0.9,T=0.5                 with settings
    fixmatch:extensions=grad_relu               with an extension
    "no relu=layermatch:grad_relu=False"        with a label

Values follow the rules of the command line's flags. What makes a fold a fold, and where runs are
written, is the comparison's and not a method's.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from usb_ext.core.errors import SettingsError
from usb_ext.settings import parse_flags

RESERVED = frozenset(
    "algorithm dataset seed label_seed num_labels save_dir save_name resume load_path overwrite "
    "progress config".split()
)
"""Settings that the comparison gives to every run."""

_NEXT_SETTING = re.compile(r",(?=\s*[A-Za-z_-]+\s*=)")


@dataclass(frozen=True)
class Method:
    """What is compared.

    Attributes:
        label: name in tables, unique in a comparison.
        algorithm: name as in the setting `algorithm`.
        values: settings of this method alone.
    """

    label: str
    algorithm: str
    values: Mapping[str, object]

    @property
    def slug(self) -> str:
        """The label as part of a folder's name."""
        return re.sub(r"[^A-Za-z0-9._+-]+", "-", self.label).strip("-.") or "method"


def parse_methods(texts: Sequence[str]) -> tuple[Method, ...]:
    """The methods of a comparison, the first one being what the others are measured against.

    Args:
        texts: as written on the command line.

    Raises:
        SettingsError: an unknown or reserved setting, or two methods of one name.
    """
    methods = tuple(map(parse_method, texts))
    seen: dict[str, str] = {}
    for text, method in zip(texts, methods, strict=True):
        if method.slug in seen:
            raise SettingsError(
                f"--methods: {seen[method.slug]!r} and {text!r} would share the name "
                f"{method.slug!r}; give one another label: LABEL={text.partition('=')[2] or text}"
            )
        seen[method.slug] = text
    return methods


def parse_method(text: str) -> Method:
    """One method from `[LABEL=]ALGORITHM[:name=value,...]`.

    Raises:
        SettingsError: no algorithm, or a setting that is unknown or reserved.
    """
    head, _, tail = text.partition(":")
    label, equals, algorithm = head.partition("=")
    name = (algorithm if equals else head).strip()
    if not name or (equals and not label.strip()):
        raise SettingsError(
            f"--methods: {text!r} names no method; write NAME, NAME:setting=value,... or "
            "LABEL=NAME:setting=value,..."
        )
    return Method(label.strip() if equals else text.strip(), name, _values(text, tail))


def _values(text: str, tail: str) -> dict[str, object]:
    """The settings after the colon."""
    parts = [part.strip() for part in _NEXT_SETTING.split(tail) if part.strip()]
    if wrong := [part for part in parts if "=" not in part]:
        raise SettingsError(f"--methods: {wrong[0]!r} in {text!r} is no setting; write name=value")
    flags = [f"--{'='.join(side.strip() for side in part.split('=', 1))}" for part in parts]
    try:
        values = parse_flags(flags)[1] if flags else {}
    except SettingsError as error:
        raise SettingsError(f"--methods: {text!r}: {error}") from error
    if fixed := sorted(RESERVED & {flag[2:].partition("=")[0].replace("-", "_") for flag in flags}):
        raise SettingsError(
            f"--methods: {text!r} sets {', '.join(fixed)}, which is the same for all methods"
        )
    return values


def read_target(text: str, methods: tuple[str, ...]) -> float | str:
    """What `--time-to` asks for: an accuracy in (0, 1], or a method's label.

    Raises:
        SettingsError: neither.
    """
    if text in methods:
        return text
    try:
        accuracy = float(text)
    except ValueError:
        accuracy = -1.0
    if not 0 < accuracy <= 1:
        raise SettingsError(
            f"--time-to is {text!r}; give an accuracy in (0, 1] such as 0.9, or one of the methods "
            f"{', '.join(methods)}"
        )
    return accuracy
