"""What a run's files were made from: by the stage's record, by content, or by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from usb_ext.core.files import file_sha256
from usb_ext.data.fingerprint import Fingerprint, write_fingerprint
from usb_ext.data.origins import by_origin, origins_of, selection_of, self_supervised_of

RECORD = {
    "dataset": "cifar10", "num_labels": 10, "as3l_strategy": "usl", "as3l_candidates": "all",
    "as3l_runs": 6, "as3l_tune_epochs": 40, "as3l_normalise": "l2", "as3l_points_per_center": None,
    "features": "f" * 64,
}  # fmt: skip


def stage(folder: Path, name: str, seed: int, **changed: Any) -> str:
    """A file with a content of its seed, and the record beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"content of seed {seed}")
    record = {**RECORD, "seed": seed, "selected": f"{seed}" * 64, **changed}
    path.with_name(f"{path.stem}.made_with.json").write_text(json.dumps(record))
    return str(path)


def a_run(folder: Path, **files: str) -> dict[str, Any]:
    """Settings of a run whose `data.json` tells of these files; their values by origin."""
    folder.mkdir(parents=True, exist_ok=True)
    inputs = {n: file_sha256(Path(p)) for n, p in files.items() if Path(p).is_file()}
    write_fingerprint(folder, Fingerprint("none", {}, inputs=inputs))
    values = {"dataset": "cifar10", "num_labels": 10, "label_split": "file", **files}
    return by_origin(values, origins_of(values, folder))


def test_seeds_of_one_stage_are_one_and_another_strategy_is_not(tmp_path: Path) -> None:
    runs = [
        a_run(
            tmp_path / f"run{seed}",
            label_file=stage(tmp_path / f"labels_s{seed}", "selected.json", seed),
            prior_file=stage(tmp_path / f"labels_s{seed}", "prior.npz", seed, as3l_method="llgc"),
        )
        for seed in (0, 1)
    ]
    assert runs[0] == runs[1]
    assert runs[0]["label_file"] == "made with as3l_strategy usl, features ffffffff"
    assert "as3l_method llgc" in runs[0]["prior_file"]
    other = stage(tmp_path / "labels_random", "selected.json", 0, as3l_strategy="random")
    assert a_run(tmp_path / "c", label_file=other)["label_file"] != runs[0]["label_file"]


def test_a_file_without_a_record_is_its_content_and_a_url_its_name(tmp_path: Path) -> None:
    here, there = tmp_path / "a.csv", tmp_path / "b" / "c.csv"
    there.parent.mkdir()
    for path in (here, there):
        path.write_text("1.png,cat\n")
    first = a_run(tmp_path / "r1", label_file=str(here), pretrain_path="https://host/w.pth")
    second = a_run(tmp_path / "r2", label_file=str(there), pretrain_path="https://host/w.pth")
    assert first == second and first["pretrain_path"] == "https://host/w.pth"
    there.write_text("1.png,dog\n")
    assert a_run(tmp_path / "r3", label_file=str(there))["label_file"] != first["label_file"]


def test_a_record_of_a_file_that_was_made_again_is_not_the_runs(tmp_path: Path) -> None:
    path = stage(tmp_path / "labels", "selected.json", 0)
    values = {"label_file": path, "label_split": "file"}
    a_run(tmp_path / "run", label_file=path)
    stage(tmp_path / "labels", "selected.json", 1, as3l_strategy="random")
    (origin,) = origins_of(values, tmp_path / "run").values()
    assert "made_with" not in origin


@pytest.mark.parametrize(
    ("values", "made", "told"),
    [
        ({"label_split": "per_class"}, {}, "per_class"),
        ({"label_split": "random"}, {}, "random"),
        ({}, {}, "per_class"),
        ({"label_split": "file"}, {}, "file"),
        ({"label_split": "file"}, {"label_file": "coreset"}, "coreset"),
        ({"label_split": "file"}, {"prior_file": "as3l"}, "as3l"),
    ],
)
def test_how_images_were_chosen(values: dict[str, Any], made: dict[str, str], told: str) -> None:
    """The setting `as3l_strategy` says nothing: it has a value in every run."""
    origins: Any = {name: {"made_with": {"as3l_strategy": one}} for name, one in made.items()}
    assert selection_of({"as3l_strategy": "as3l", **values}, origins) == told


def test_what_select_leaves_and_a_persons_classes_beside_it(tmp_path: Path) -> None:
    (tmp_path / "selected.json").write_text(json.dumps({"ids": [3], "strategy": "kmedoids"}))
    (tmp_path / "to_label.csv").write_text("id,class\n3,cat\n")
    for name in ("selected.json", "to_label.csv"):
        values = {"label_split": "file", "label_file": str(tmp_path / name)}
        a_run(tmp_path / "run", label_file=values["label_file"])
        assert selection_of(values, origins_of(values, tmp_path / "run")) == "kmedoids"


def test_how_the_initial_weights_were_learned(tmp_path: Path) -> None:
    (tmp_path / "backbone.pth").write_text("weights")
    (tmp_path / "pretrain.json").write_text(json.dumps({"made_with": {"ssl_method": "byol"}}))
    values = {"pretrain_path": str(tmp_path / "backbone.pth"), "use_pretrain": True}
    a_run(tmp_path / "run", pretrain_path=values["pretrain_path"])
    origins = origins_of(values, tmp_path / "run")
    assert self_supervised_of(values, origins) == "byol"
    assert self_supervised_of({**values, "use_pretrain": False}, origins) is None
    assert self_supervised_of(values, {}) is None
