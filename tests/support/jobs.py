"""Slurm as far as a comparison sees it, made up: orders are taken, a queue is answered with."""

import json
from pathlib import Path
from typing import Any

from usb_ext.core.errors import RunFailed


class FakeSlurm:
    """Takes orders, and says what its queue holds.

    Attributes:
        orders: as `comparison/submit.py` would read them.
        queue: lines of squeue, or None where it does not answer.
    """

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.queue: list[str] | None = []

    def submit(self, order: dict[str, Any], said: Path) -> list[str]:
        self.orders.append(order)
        first, tasks = 10 * len(self.orders), order["tasks"]
        return [
            f"{first}_{number}" if len(tasks) > 1 else str(first) for number in range(len(tasks))
        ]

    def answer(self, *words: str) -> list[str]:
        assert words[0] == "squeue"
        if self.queue is None:
            raise RunFailed("Slurm does not answer")
        return self.queue


def leave_code(out: Path, name: str, job: str, code: int) -> None:
    (out / "cluster" / f"{name}.json").write_text(json.dumps({"job": job, "code": code}))
