"""A run's number in the terms of a paper's table: which weights, and accuracy, error or F1."""

from usb_ext.papers.found_runs import FoundRun
from usb_ext.papers.tables import PublishedNumber

WHICH = ("paper", "last", "best", "median20")
"""`paper` is what the paper says for the cell (AS3L, Table 2: the median of the last 20), else `last`."""

MEDIAN = "median of the last 20"


def score(run: FoundRun, cell: PublishedNumber, which: str) -> float | None:
    """What a run gives for a cell, in the cell's unit.

    Args:
        run: a finished run.
        cell: the cell; its metric is a top-1 accuracy, a test error or an F1, all in percent.
        which: one of `WHICH`.

    Returns:
        The number, or None where the record does not hold it. Where the run has a test split apart
        from the evaluation split, the number is of the test split.
    """
    if which == "paper":
        which = {"": "last", MEDIAN: "median20"}.get(cell.checkpoint, "")
    if cell.metric == "F1":
        return _percent(run, "f1_last" if which == "last" else "")
    top1 = _percent(run, _field(run, which))
    if top1 is None or cell.metric not in ("top-1 accuracy", "test error"):
        return None
    return top1 if cell.metric == "top-1 accuracy" else 100 - top1


def _field(run: FoundRun, which: str) -> str:
    """Name of the accuracy in `result.json`; a separate test split has no median over checkpoints."""
    return f"{'test_' if run.record.get('test_top1_last') is not None else ''}top1_{which}"


def _percent(run: FoundRun, name: str) -> float | None:
    value = run.record.get(name)
    return None if value is None else 100 * float(value)
