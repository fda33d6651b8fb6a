"""Whether more labels help: the steps from one label count to the next, per method.

Smooth Pseudo-Labeling, Sec. 4.5 and Table 6: a method should do worse on the larger labelled set only
with a small probability. Each step n -> n' pairs the folds of the same seeds; `greater` is the p-value
for the error having decreased (Table 6: small is good), `less` the p-value for its having increased,
that is, that adding labels hurt. The folds of a seed are nested with `label_split: random`.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from usb_ext.comparison.entries import Entry
from usb_ext.comparison.numbers import gain
from usb_ext.comparison.plan import Fold
from usb_ext.comparison.records import METRICS, Record


def monotonicity(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """All steps of all methods, as JSON values; empty for a single label count.

    Args:
        entries: all runs of the comparison.

    Returns:
        Per method and step: `from`, `to`, `folds` (usable at both ends), per metric the gain of
        `numbers.gain`, and the error's mean at both ends over these folds.
    """
    counts = sorted({entry.num_labels for entry in entries})
    methods = dict.fromkeys(entry.method for entry in entries)
    found = {(e.method, e.num_labels, e.fold): e.record for e in entries if e.record is not None}
    return [
        _step(method, fewer, more, _pairs(found, method, fewer, more))
        for method in methods
        for fewer, more in pairwise(counts)
    ]


def _pairs(
    found: dict[tuple[str, int, Fold], Record], method: str, fewer: int, more: int
) -> dict[Fold, tuple[Record, Record]]:
    """The folds that a method has at both label counts."""
    return {
        fold: (record, found[method, more, fold])
        for (name, count, fold), record in found.items()
        if (name, count) == (method, fewer) and (method, more, fold) in found
    }


def _step(
    method: str, fewer: int, more: int, pairs: dict[Fold, tuple[Record, Record]]
) -> dict[str, Any]:
    folds = [{"label_seed": f.label_seed, "seed": f.seed, "name": str(f)} for f in pairs]
    step: dict[str, Any] = {"method": method, "from": fewer, "to": more, "folds": folds}
    step["metrics"] = {
        metric: gain(
            [before.errors[metric] for before, _ in pairs.values()],
            [after.errors[metric] for _, after in pairs.values()],
        )
        for metric in (METRICS if pairs else ())
    }
    return step
