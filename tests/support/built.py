"""Algorithms that are built and settled, but not trained."""

from pathlib import Path
from typing import Any

import pytest

from support.run import UNBALANCED as UNBALANCED_LABELS
from support.run import run
from usb_ext.training import train as stage
from usb_ext.upstream.device import cuda_means

UNBALANCED: dict[str, Any] = {"algorithm": "fixmatch", **UNBALANCED_LABELS}


def built(folder: Path, **changed: Any) -> Any:
    """The algorithm of a tiny run, its hooks started."""
    kept: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "_run", lambda algorithm, *_: kept.append(algorithm))
        run(folder, **changed)
    with cuda_means(kept[0].device):
        kept[0].start_hooks()
    return kept[0]
