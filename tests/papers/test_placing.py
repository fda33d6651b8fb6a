"""What our runs give in a paper's cells: mean, spread, seeds, what differs, and who is left out."""

import statistics
from pathlib import Path
from typing import Any

import pytest
from support.evidence import VIT, fake_run

import usb_ext
from usb_ext.papers.found_runs import FoundRun
from usb_ext.papers.placing import Ours, Placed, place

TABLE = usb_ext.published("layermatch-1")
WHERE = {(c.method, c.dataset, c.labels): n for n, c in enumerate(TABLE)}


def placed(*folders: Path, cells: Any = TABLE, ddof: int = 1) -> Placed:
    return place(cells, [FoundRun(folder) for folder in folders], "paper", ddof)


def at(found: Placed, method: str, labels: str = "40", dataset: str = "CIFAR-10") -> Ours:
    return found.ours[WHERE[method, dataset, labels]]


def test_runs_with_the_papers_settings(tmp_path: Path) -> None:
    shares = [0.9375, 0.9, 0.975]
    folders = [fake_run(tmp_path / str(s), top1, seed=s) for s, top1 in enumerate(shares)]
    found = placed(*reversed(folders))
    ours = at(found, "LayerMatch")
    assert ours.values.mean == pytest.approx(93.75)
    assert ours.values.std == pytest.approx(100 * statistics.stdev(shares))
    assert (ours.seeds, ours.differs) == ((0, 1, 2), "")
    assert len(found.ours) == 1 and found.left_out == {}
    std = at(placed(*folders, ddof=0), "LayerMatch").values.std
    assert std == pytest.approx(100 * statistics.pstdev(shares))


def test_what_differs_is_named_with_both_values(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "a", num_train_iter=1000, net="wrn_28_2", ac_reset_iter=256)
    assert at(placed(run), "LayerMatch").differs == (
        "num_train_iter 1000 (paper: 204800), net wrn_28_2 (paper: vit_tiny_patch2_32), "
        "ac_reset_iter 256 (paper: 2048)"
    )
    base = fake_run(tmp_path / "b", algorithm="fixmatch", ac_reset_iter=256)
    assert at(placed(base), "FixMatch").differs == ""


def test_runs_of_instant_stand_in_its_row(tmp_path: Path) -> None:
    found = placed(fake_run(tmp_path / "a", 0.9, algorithm="instant", estimation="class"))
    assert at(found, "InstanT").values.mean == pytest.approx(90.0) and len(found.ours) == 1


def test_the_unlabelled_batch_is_what_table_7_states(tmp_path: Path) -> None:
    cells = usb_ext.published("layermatch-2")
    scratch = {"net": "wrn_28_2", "use_pretrain": False, "num_train_iter": 2**20, "optim": "SGD"}
    batch = {"lr": 0.03, "momentum": 0.9, "ema_m": 0.999, "batch_size": 64, "layer_decay": 1.0}
    good = fake_run(tmp_path / "a", uratio=7, **scratch, **batch)
    (ours,) = placed(good, cells=cells).ours.values()
    assert ours.differs == ""
    (ours,) = placed(
        fake_run(tmp_path / "b", uratio=1, **scratch, **batch), cells=cells
    ).ours.values()
    assert ours.differs == "unlabelled_batch 64 (paper: 448)"


def test_every_run_that_is_not_shown_has_a_reason(tmp_path: Path) -> None:
    shown = fake_run(tmp_path / "shown")
    reasons = {
        fake_run(tmp_path / "a", record={"status": "interrupted"}): "interrupted",
        fake_run(tmp_path / "b", dataset="svhn"): (
            "no cell of the table is layermatch (freematch + grad_relu + avg_clustering) on svhn "
            "with 40 labels"
        ),
        fake_run(tmp_path / "c", None, algorithm="fixmatch"): "holds no top-1 accuracy",
        fake_run(tmp_path / "d", save_name="again"): f"same settings and seed as {shown}",
    }
    found = placed(shown, *reasons)
    assert list(found.ours) == [WHERE["LayerMatch", "CIFAR-10", "40"]]
    assert found.left_out.keys() == reasons.keys()
    for path, reason in reasons.items():
        assert reason in found.left_out[path]


def test_a_run_may_stand_in_two_columns(tmp_path: Path) -> None:
    cells = usb_ext.published("layermatch-3")
    run = {"dataset": "imagefolder", "num_labels": 10000, "net": "resnet50", "num_classes": 100}
    found = placed(fake_run(tmp_path / "run", 0.75, {"f1_last": 0.5}, **run), cells=cells)
    assert {cells[n].metric: ours.values.mean for n, ours in found.ours.items()} == {
        "top-1 accuracy": 75.0,
        "F1": 50.0,
    }
    assert found.left_out == {}


def test_an_average_needs_the_whole_row(tmp_path: Path) -> None:
    row = [c for c in TABLE if c.method == "FixMatch" and c.dataset != "Average"]
    names = {"CIFAR-10": "cifar10", "CIFAR-100": "cifar100", "STL-10": "stl10"}
    folders = []
    for number, cell in enumerate(row):
        changed = {
            "num_labels": cell.num_labels,
            "num_classes": 100 if "100" in cell.dataset else 10,
        }
        chosen = {**VIT, **changed, "algorithm": "fixmatch", "dataset": names[cell.dataset]}
        folders.append(fake_run(tmp_path / str(number), number / 10, **chosen))
    average = at(placed(*folders), "FixMatch", "", "Average")
    assert average.values.mean == pytest.approx(40.0)  # 0, 10, ..., 80
    assert average.seeds == () and average.values.std is None
    assert WHERE["FixMatch", "Average", ""] not in placed(*folders[1:]).ours
