"""Algorithms that are built and settled, but not trained."""

from pathlib import Path
from typing import Any

import pytest

from support.run import run
from usb_ext.training import train as stage
from usb_ext.upstream.quiet import cuda_means

UNBALANCED: dict[str, Any] = {
    "algorithm": "fixmatch", "num_labels": 6, "lb_imb_ratio": 5.0, "ulb_num_labels": 20,
    "ulb_imb_ratio": 5.0,
}  # fmt: skip
"""Classes of 6, 5, 4, 3, 2, 2, 2, 1, 1 and 1 labelled images; 101 unlabelled ones."""


def built(folder: Path, **changed: Any) -> Any:
    """The algorithm of a tiny run, its hooks started."""
    kept: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "_run", lambda algorithm, *_: kept.append(algorithm))
        run(folder, **changed)
    with cuda_means(kept[0].device):
        kept[0].start_hooks()
    return kept[0]
