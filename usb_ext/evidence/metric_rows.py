"""One number over the steps of a run, from its `metrics.jsonl`."""

import json
from pathlib import Path
from typing import Any

from usb_ext.core.errors import DataMissing, reason


def read_curve(path: Path, key: str) -> dict[int, float]:
    """A metric by step.

    Args:
        path: a `metrics.jsonl`, one JSON object a line with `it`, the number of finished steps.
        key: such as `eval/top-1-acc`.

    Returns:
        Values by step, ascending; where a step stands twice, its last value.

    Raises:
        DataMissing: no such file, a line that is no JSON object with `it`, or no row with the key.
    """
    rows = _rows(path)
    points = {int(row["it"]): float(row[key]) for row in rows if key in row}
    if not points:
        known = sorted({name for row in rows for name in row} - {"it", "time"})
        have = ", ".join(known) or "nothing"
        raise DataMissing(f"{path} has no row with {key}; choose a --key it has: {have}")
    return dict(sorted(points.items()))


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataMissing(f"{path} cannot be read: {reason(error)}") from error
    return [_row(path, n, line) for n, line in enumerate(lines, start=1) if line.strip()]


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        if all(isinstance(value, int | float) for value in row.values()) and "it" in row:
            return dict(row)
    except (ValueError, AttributeError):
        pass
    raise DataMissing(f"{path}:{number} is no row of metrics: {line[:40]!r}; mend or drop the line")
