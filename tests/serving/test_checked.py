"""A run measured on a check: by hand on the images that are left, in `evaluate` and in the report."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from support.used import by_hand

from usb_ext.cli.main import main
from usb_ext.core.errors import DataMissing
from usb_ext.serving.checked import in_check
from usb_ext.training.load import load_run


@pytest.fixture
def run_folder(photo: Path, tmp_path: Path) -> Path:
    """The run, copied, so that a check may lie in it."""
    return Path(shutil.copytree(photo, tmp_path / "run"))


def fill_in(table: Path, classes: list[str]) -> list[str]:
    """Give the drawn images their folders' classes, but the last one none; gives the names."""
    with table.open(encoding="utf-8", newline="") as file:
        names = [row[0] for row in csv.reader(file)][1:]
    rows = [[n, n.split("/")[1] if n != names[-1] else ""] for n in names]
    assert {row[1] for row in rows} <= {*classes, ""}
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "class"], *rows])
    return names


def draw(run_folder: Path, tmp_path: Path, count: int) -> Path:
    words = ["label", str(run_folder), "--check", str(count), "--export", str(tmp_path / "o.json")]
    assert main(words) == 0
    return run_folder / "check.csv"


def test_evaluate_measures_on_the_check(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = load_run(run_folder, device="cpu")
    table = draw(run_folder, tmp_path, 6)
    names = fill_in(table, list(run.classes))
    root = Path(run.settings.data_dir)
    out = tmp_path / "evaluation"
    assert main(["evaluate", str(run_folder), "--check", "check.csv", "--out", str(out)]) == 0
    scores = json.loads((out / "scores.json").read_text())
    found = by_hand(run_folder, [root / n for n in names[:-1]]).argmax(1)
    right = int(
        sum(run.classes[f] == n.split("/")[1] for f, n in zip(found, names[:-1], strict=True))
    )
    assert scores["accuracy"]["n"] == 5 and scores["accuracy"]["hits"] == right
    interval = scipy.stats.binomtest(right, 5).proportion_ci(0.95, method="wilson")
    ends = scores["accuracy"]["low"], scores["accuracy"]["high"]
    np.testing.assert_allclose(ends, [interval.low, interval.high])
    assert "5 of 6 random images" in capsys.readouterr().out
    labelled = json.loads((run_folder / "labelled.json").read_text())
    files = sorted(str(p.relative_to(root)) for p in (root / "train").rglob("*.png"))
    assert not {files[p] for p in labelled} & set(names)


def test_images_labelled_for_training_since_are_left_out(run_folder: Path, tmp_path: Path) -> None:
    run = load_run(run_folder, device="cpu")
    table = draw(run_folder, tmp_path, 4)
    names = fill_in(table, list(run.classes))
    root = Path(run.settings.data_dir)
    files = sorted(str(p.relative_to(root)) for p in (root / "train").rglob("*.png"))
    listed = json.loads((run_folder / "labelled.json").read_text())
    (run_folder / "labelled.json").write_text(json.dumps([*listed, files.index(names[0])]))
    found = in_check(run, table)
    assert sorted(found.files) == sorted(str(root / n) for n in names[1:-1])
    assert any("1 of them are left out" in remark for remark in found.remarks)
    (run_folder / "labelled.json").write_text(json.dumps(list(range(len(files)))))
    with pytest.raises(DataMissing, match="no image of .* is left"):
        in_check(run, table)


def test_the_report_says_the_check(run_folder: Path, tmp_path: Path) -> None:
    run = load_run(run_folder, device="cpu")
    fill_in(draw(run_folder, tmp_path, 6), list(run.classes))
    out = tmp_path / "report.html"
    assert main(["report", str(run_folder), "--out", str(out)]) == 0
    assert "on 5 random images that were labelled blind to the run" in out.read_text("utf-8")


def test_one_of_the_two_is_asked_for(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(photo)]) == 2
    assert main(["evaluate", str(photo), "x", "--check", "check.csv"]) == 2
    assert main(["evaluate", str(photo), "--check", "check.csv"]) == 3
    assert capsys.readouterr().err.count("\n") == 3
    assert main(["label", str(photo)]) == 2
    assert "--check N" in capsys.readouterr().err
