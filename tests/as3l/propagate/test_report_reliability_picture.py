"""The reliability diagram shows the bins it is given."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from usb_ext.as3l.propagate.report import draw_reliability, reliability


def test_bars_are_accuracies_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []
    saved = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: (kept.append(self), saved(self, *a, **k))[1]
    )
    bins = reliability(np.array([0.1, 0.6, 0.9, 0.9]), np.array([True, False, True, True]), 4)
    draw_reliability(bins, tmp_path / ".r.png.part")
    assert Image.open(tmp_path / ".r.png.part").format == "PNG"
    upper, lower = kept[0].axes
    assert [bar.get_height() for bar in upper.patches] == [1, 0, 0, 1]
    assert [bar.get_height() for bar in lower.patches] == [1, 0, 1, 2]
    assert f"{bins.error:.4f}" in upper.get_title()
