"""An export is kept only if it computes the same."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.run import SIX, UNBALANCED, run

from usb_ext.core.errors import DataMissing, RunFailed, SettingsError
from usb_ext.serving import export
from usb_ext.serving.export import ExportOrder, export_run
from usb_ext.serving.formats import FORMATS
from usb_ext.training.load import TrainedRun


@pytest.fixture
def order(photo: Path, tmp_path: Path) -> ExportOrder:
    return ExportOrder(photo, "torch", tmp_path / "model.pt2")


def test_a_torch_program(order: ExportOrder) -> None:
    (line,) = export_run(order)
    assert line.startswith(f"{order.out}: ") and "2 classes" in line
    assert {p.name for p in order.out.parent.iterdir()} == {"model.pt2", ".usb_ext.json"}
    assert torch.export.load(order.out).module()(torch.zeros(2, 16, 16, 3, dtype=torch.uint8))


@pytest.mark.parametrize("apart", [1e-3, float("nan")])
def test_one_that_computes_something_else_is_not_kept(
    order: ExportOrder, monkeypatch: pytest.MonkeyPatch, apart: float
) -> None:
    export_run(order)
    before = order.out.read_bytes()
    right = FORMATS["torch"].opened

    def opened(run: TrainedRun, path: Path) -> Callable[[torch.Tensor], list[torch.Tensor]]:
        network = right(run, path)
        return lambda batch: [output + apart * (len(batch) > 1) for output in network(batch)]

    monkeypatch.setitem(export.FORMATS, "torch", replace(FORMATS["torch"], opened=opened))
    with pytest.raises(RunFailed, match="does not compute what the run's does: logits differ by"):
        export_run(replace(order, overwrite=True))
    assert order.out.read_bytes() == before
    with pytest.raises(RunFailed, match="nothing was written"):
        export_run(replace(order, out=order.out.with_name("new.pt2")))
    assert {p.name for p in order.out.parent.iterdir()} == {"model.pt2", ".usb_ext.json"}


def test_refused(order: ExportOrder, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"a file of --format torch ends in \.pt2"):
        export_run(replace(order, out=tmp_path / "model.onnx"))
    with pytest.raises(DataMissing, match="nowhere does not exist"):
        export_run(replace(order, run=Path("nowhere")))
    order.out.write_text("mine")
    with pytest.raises(SettingsError, match="exists already"):
        export_run(order)
    with pytest.raises(SettingsError, match="did not write"):
        export_run(replace(order, overwrite=True))
    assert order.out.read_text() == "mine"


def test_a_second_head_is_exported(tmp_path: Path) -> None:
    """An imbalanced algorithm that predicts with a classifier of its own."""
    given = {**UNBALANCED, **SIX, "algorithm": "fixmatch", "imb_algorithm": "abc", "lr": 0.1}
    run(tmp_path, **given)
    for kind in ("torch", "safetensors"):
        order = ExportOrder(tmp_path / "run", kind, tmp_path / f"m{FORMATS[kind].suffix}")
        assert "10 classes" in export_run(order)[0]
