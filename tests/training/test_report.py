"""What stands at the end of a run: its weights, its last line, the rows that are drawn."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from support.built import built

from usb_ext.core.files import RunFolder
from usb_ext.training.report import instability_line, read_metrics, report_weights


def test_three_files_stand_in_the_folder_of_a_run_with_weights(tmp_path: Path) -> None:
    made: Any = built(tmp_path, algorithm="fixmatch", ulb_num_labels=20, include_lb_to_ulb=False)
    folder = RunFolder(tmp_path)
    before = set(tmp_path.iterdir())
    report_weights(made, folder, None)
    assert set(tmp_path.iterdir()) == before
    made.hooks_dict["InfluenceWeightingHook"] = SimpleNamespace(weights=torch.ones(20))
    report_weights(made, folder, tuple("0123456789"))
    names = {path.name for path in set(tmp_path.iterdir()) - before}
    assert names == {"weights.npz", "weights.png", "weights_images.png"}


def test_the_largest_drop_is_one_line_with_the_names_of_classes() -> None:
    found = {
        "largest_drop": 0.4, "it": 30, "top1": 0.4, "best_it": 20, "best_top1": 0.8,
        "emptied_classes": [1, 2], "collapsed_classes": [1, 2],
    }  # fmt: skip
    line = instability_line(found, ("ant", "bee", "cat"))
    assert "40.00 points, at step 30 (0.8000 at step 20, then 0.4000)" in line
    assert line.endswith("classes that emptied: bee, cat")
    assert instability_line(found, None).endswith("classes that emptied: 1, 2")
    none = {**found, "emptied_classes": []}
    assert instability_line(none, None).endswith("classes that emptied: none")
    assert instability_line(None, None) == "accuracy never fell below its running best"


def test_metrics_are_the_rows_of_the_file_or_none(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_metrics(path) == []
    path.write_text('{"it": 1, "lr": 0.5}\n\n{"it": 2}\n')
    assert read_metrics(path) == [{"it": 1, "lr": 0.5}, {"it": 2}]
