"""What a run must be to stand in a row of a paper's table."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Wanted:
    """What a run must be to stand in a row.

    Attributes:
        algorithms: names as in the setting `algorithm`; empty for any.
        base: the weak/strong base.
        extensions: exactly these, and what of `optional` it has.
        required: settings that must have these values, or one of a tuple of them; also `selection` and
            `self_supervised`, as in `RunResult`.
        stated: settings that the paper states; a run that differs is shown and marked.
        remark: what differs in every run of ours, or "".
        optional: extensions of which the paper does not say whether its runs have them.
    """

    algorithms: tuple[str, ...]
    base: str | None
    extensions: frozenset[str] = frozenset()
    required: Mapping[str, object] = field(default_factory=dict)
    stated: Mapping[str, object] = field(default_factory=dict)
    remark: str = ""
    optional: frozenset[str] = frozenset()


def fits(value: object, asked: object) -> bool:
    """Whether a setting has the value that is asked for, or one of several.

    Args:
        value: of a run.
        asked: a value, or a tuple or list of values; "none" is None, which TOML has not.
    """
    if isinstance(asked, tuple | list):
        return any(fits(value, one) for one in asked)
    return value == asked or (value is None and asked == "none")
