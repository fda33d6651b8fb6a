"""What a finished run says of itself, read from its folder."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usb_ext.core.files import RunFolder, check_seal, json_of, text_of
from usb_ext.core.result import is_as_left

METRICS = ("last", "best", "median20")
"""Error of the last checkpoint (which leads, Smooth Pseudo-Labeling, Sec. 4), of the best one
(FlexMatch's habit, chosen in hindsight) and the median of the last 20 evaluations (FixMatch's)."""


DECIMALS = 6
"""ours: gains in percentage points are rounded to this many decimals before they are ranked, so that
rounding errors make neither ties nor signs; one image of a million is 1e-4."""

EVALUATED = ("it", "time", "eval/top-1-acc")


@dataclass(frozen=True)
class Record:
    """A completed run in numbers.

    Attributes:
        errors: per METRICS the error in percent.
        split: what the errors of `last` and `best` were measured on.
        evaluations: (step, seconds trained, accuracy in [0, 1]) of each evaluation.
        raw: all of `result.json`.
    """

    errors: dict[str, float]
    split: str
    evaluations: tuple[tuple[int, float, float], ...]
    raw: dict[str, Any]

    @property
    def source(self) -> tuple[Any, ...]:
        """Commit and versions; runs that differ in them are not averaged."""
        return self.raw.get("commit"), *sorted(self.raw.get("versions", {}).items())

    @property
    def bn_processes(self) -> tuple[int, ...]:
        """Numbers of processes that each normalised its own rows; () on one, and with `sync_bn: true`."""
        counts = tuple(self.raw.get("bn_processes") or ())
        return () if set(counts) <= {1} else counts


def read_record(folder: RunFolder) -> Record | str:
    """The record of a run, or in words why there is none.

    Args:
        folder: the run's folder.

    Returns:
        A record if the run is completed and was evaluated; otherwise the reason.
    """
    raw = read_result(folder.result)
    if raw is None:
        return "missing: no result.json that is whole" if folder.path.exists() else "missing"
    if raw.get("status") != "completed":
        return f"{raw.get('status', 'not completed')} after step {raw.get('iterations')}"
    return _record(raw, folder)


def read_result(path: Path) -> dict[str, Any] | None:
    """The content of a `result.json`; None if it is not there, no JSON object, or changed afterwards."""
    try:
        raw = json_of(path)
        if not isinstance(raw, dict):
            return None
        check_seal(raw)
    except (OSError, ValueError):
        return None
    return raw


def is_completed(path: Path) -> bool:
    """Whether a `result.json` is there, as it was written, and says that its run came to its end."""
    raw = read_result(path)
    return raw is not None and raw.get("status") == "completed"


def _record(raw: dict[str, Any], folder: RunFolder) -> Record | str:
    apart = raw.get("test_top1_last") is not None
    prefix = "test_" if apart else ""
    names = (f"{prefix}top1_last", f"{prefix}top1_best", "top1_median20")
    shares = [raw.get(name) for name in names]
    if None in shares:
        absent = [name for name, share in zip(names, shares, strict=True) if share is None]
        return f"result.json has no {', '.join(absent)}"
    if not all(isinstance(s, int | float) and math.isfinite(s) for s in shares):
        return f"result.json has {', '.join(names)} that are no accuracies: {shares}"
    if not is_as_left(folder.metrics, raw):
        return f"{folder.metrics} is not as the run left it; put it back, or delete it"
    errors = {m: percent_error(s) for m, s in zip(METRICS, shares, strict=True) if s is not None}
    split = "test split" if apart else str(raw.get("best_chosen_on", "evaluation split"))
    return Record(errors, split, _evaluations(folder.metrics), raw)


def percent_error(accuracy: float) -> float:
    """Error in percent of an accuracy in [0, 1], free of the digits that 1 - x adds."""
    return round(100 * (1 - accuracy), DECIMALS) + 0.0


def percent_points(share: float) -> float:
    """A share in [0, 1] in percent, free of the digits that multiplying adds."""
    return round(100 * share, DECIMALS) + 0.0


def _evaluations(path: Path) -> tuple[tuple[int, float, float], ...]:
    """Each evaluation in a `metrics.jsonl`, in order; lines that are cut are left out."""
    try:
        lines = text_of(path).splitlines()
    except (OSError, ValueError):
        return ()
    found = []
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        values = [row.get(n) for n in EVALUATED] if isinstance(row, dict) else []
        numbers = [float(v) for v in values if isinstance(v, int | float) and math.isfinite(v)]
        if len(numbers) == len(EVALUATED):
            found.append((int(numbers[0]), numbers[1], numbers[2]))
    return tuple(found)
