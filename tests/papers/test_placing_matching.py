"""Which cell a run belongs to, and which runs of a cell may be averaged."""

from pathlib import Path
from typing import Any

import pytest
from support.evidence import fake_run

import usb_ext
from usb_ext.papers.found_runs import FoundRun
from usb_ext.papers.placing import belongs, one_setting

LM10 = {"num_labels": 10}


def cells_of(folder: Path, table: str, record: dict[str, Any] | None = None, **changed: Any) -> Any:
    """Method, setting, data set and labels of each cell that a run belongs to."""
    run = FoundRun(fake_run(folder / "run", record=record, **changed))
    cells = [cell for cell in usb_ext.published(table) if belongs(run, cell)]
    return [(c.method, c.setting, c.dataset, c.labels) for c in cells]


@pytest.mark.parametrize(
    ("changed", "method"),
    [
        ({}, "LayerMatch"),
        ({"ac_reset_iter": 1}, "LayerMatch"),
        ({"algorithm": "fixmatch"}, "FixMatch"),
        ({"algorithm": "weak_strong", "base": "fixmatch"}, "FixMatch"),
        ({"algorithm": "freematch"}, "FreeMatch"),
        ({"algorithm": "mixmatch"}, "MixMatch"),
        ({"algorithm": "supervised"}, "Only Supervised"),
    ],
)
def test_methods_of_table_1(tmp_path: Path, changed: dict[str, Any], method: str) -> None:
    assert cells_of(tmp_path, "layermatch-1", **changed) == [(method, "", "CIFAR-10", "40")]


@pytest.mark.parametrize(
    "changed",
    [
        {"grad_relu": False},
        {"avg_clustering": False},
        {"algorithm": "fixmatch", "extensions": ["grad_relu"]},
        {"algorithm": "layermatch", "grad_relu": False, "avg_clustering": False},
        {"algorithm": "layermatch", "base": "fixmatch"},
        {"num_labels": 50},
        {"dataset": "svhn"},
        {"algorithm": "fixmatch", "imb_algorithm": "abc"},
    ],
)
def test_what_is_no_method_of_table_1(tmp_path: Path, changed: dict[str, Any]) -> None:
    record = {"base": "fixmatch"} if changed.get("base") == "fixmatch" else None
    assert cells_of(tmp_path, "layermatch-1", record, **changed) == []


def test_usbs_own_step_is_known_by_its_name(tmp_path: Path) -> None:
    found = cells_of(tmp_path, "layermatch-1", {"base": None}, algorithm="fixmatch", step="usb")
    assert found == [("FixMatch", "", "CIFAR-10", "40")]


@pytest.mark.parametrize(
    ("table", "changed", "setting"),
    [
        ("layermatch-4", {"grad_relu": False}, "Grad-ReLU off, Avg-Clustering on"),
        ("layermatch-4", {"avg_clustering": False}, "Grad-ReLU on, Avg-Clustering off"),
        ("layermatch-4", {}, "Grad-ReLU on, Avg-Clustering on"),
        ("layermatch-5", {"ac_reset_iter": 1}, "N = 1"),
        ("layermatch-5", {}, "N = 2048"),
        ("layermatch-fig3", {"algorithm": "fixmatch", "extensions": ["grad_relu"]}, "with Grad-ReLU"),
        ("layermatch-fig3", {"algorithm": "fixmatch"}, ""),
    ],
)  # fmt: skip
def test_ablations(tmp_path: Path, table: str, changed: dict[str, Any], setting: str) -> None:
    found = cells_of(tmp_path, table, **LM10, **changed)
    assert [(s, d, n) for _, s, d, n in found] == [(setting, "CIFAR-10", "10")]


def test_other_papers(tmp_path: Path) -> None:
    uda = {"algorithm": "uda", "num_labels": 250, "net": "wrn_28_2", "use_pretrain": False}
    assert cells_of(tmp_path / "a", "influence-1", **uda) == [("UDA", "", "CIFAR-10", "250")]
    learned = {"extensions": ["influence"]}
    found = cells_of(tmp_path / "b", "influence-1", learned, **uda)
    assert found == [("Ours (UDA)", "", "CIFAR-10", "250")]
    flex = {"algorithm": "flexmatch", "net": "wrn_28_2"}
    found = cells_of(tmp_path / "c", "as3l-1", **flex, use_pretrain=False)
    assert found == [("FlexMatch", "random initial weights", "CIFAR-10", "40")]
    active = {"extensions": ["prior_label"], "selection": "as3l"}
    found = cells_of(tmp_path / "d", "as3l-2", active, **flex)
    assert [method for method, *_ in found] == ["Ours (w FlexMatch)"]
    assert cells_of(tmp_path / "e", "as3l-2", {**active, "selection": "random"}, **flex) == []


def test_imagenet_100_is_told_by_its_classes(tmp_path: Path) -> None:
    run = {"dataset": "imagefolder", "num_labels": 10000, "net": "resnet50", "img_size": 224}
    hundred = cells_of(tmp_path / "a", "layermatch-3", **run, num_classes=100)
    assert hundred == [("LayerMatch", "", "ImageNet-100", "10000")] * 2
    assert cells_of(tmp_path / "b", "layermatch-3", **run, num_classes=10) == []


def test_only_runs_that_differ_in_seeds_are_averaged(tmp_path: Path) -> None:
    slow = FoundRun(fake_run(tmp_path / "slow", seed=0, lr=0.125))
    runs = [FoundRun(fake_run(tmp_path / str(seed), seed=seed)) for seed in (0, 1)]
    again = FoundRun(fake_run(tmp_path / "again", seed=1))
    kept, dropped = one_setting([slow, runs[0], runs[1], again])
    assert kept == runs
    assert (
        dropped[slow.path]
        == f"its settings are not those of {runs[0].path}: lr 0.125 against 0.0005"
    )
    assert dropped[again.path] == f"the same settings and seed as {runs[1].path}"
    assert one_setting([slow, runs[0]])[0] == [slow]
    assert one_setting([]) == ([], {})
