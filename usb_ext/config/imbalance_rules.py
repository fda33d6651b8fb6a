"""Contradictions around the one class that loses unlabelled images (Smooth Pseudo-Labeling, Sec. 4.3.3)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from usb_ext.settings.names import has_own_split

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings


def imbalance_contradictions(s: "Settings") -> Iterator[str]:
    """Both settings or neither, a class that there is, and a data set whose split is ours.

    Args:
        s: a model whose single values are already valid.
    """
    one, share = s.imbalance_class, s.imbalance_fraction
    if one is None and share is None:
        return
    if one is None or share is None:
        given, other = (
            ("imbalance_fraction", "class") if one is None else ("imbalance_class", "fraction")
        )
        yield f"{given} is {getattr(s, given)} but imbalance_{other} is not set; give both or neither"
    if isinstance(one, int) and one >= s.num_classes:
        yield (
            f"imbalance_class is {one}, but the classes are 0 to {s.num_classes - 1}; use one of those, "
            "or random"
        )
    if has_own_split(s.dataset):
        yield (
            f"imbalance_class is {one}, but USB splits {s.dataset} itself; leave it and "
            "imbalance_fraction out"
        )
