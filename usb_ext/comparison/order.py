"""What a person asks of a comparison, apart from its runs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Order:
    """What is asked of a comparison.

    Attributes:
        out: its folder.
        metric: which metric leads.
        target: of the time to an accuracy, if asked for.
        jobs: runs at a time.
        allow_mixed: average runs of several commits and versions.
        retry: try failed runs again.
        train: run what is missing; otherwise report what is there.
        about: what the report begins with: command, methods.
    """

    out: Path
    metric: str = "last"
    target: float | str | None = None
    jobs: int = 1
    allow_mixed: bool = False
    retry: bool = False
    train: bool = True
    about: dict[str, Any] = field(default_factory=dict)
