"""`usb-ext propagate`: files, accuracy and calibration, labels from a person, exit codes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.features import blobs, write_npz

from usb_ext.as3l.clustering.fine_tuning import SPREADING, Tuning, fine_features, stream
from usb_ext.as3l.propagate.llgc import llgc
from usb_ext.as3l.propagate.report import reliability
from usb_ext.as3l.propagate.seed_kmeans import seed_prior
from usb_ext.cli import main as cli
from usb_ext.data.prior_file import read_prior

FAST = ("--runs", "2", "--tune_epochs", "2", "--threads", "1")
POINTS, TARGETS = blobs(3, 20, spread=2.0)
NAMES = np.array([f"c{t}/{i}.jpg" for i, t in enumerate(TARGETS)])
CLASSES = ("ant", "bee", "cow")
ROWS = [0, 5, 25, 50]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Run in a folder with a features file and a selection; gives exit code and what is shown."""

    def run(*words: object, **changed: Any) -> tuple[int, str]:
        arrays = {"features": POINTS, "targets": TARGETS, "class_names": CLASSES, **changed}
        file = write_npz(tmp_path / "f.npz", **{k: v for k, v in arrays.items() if v is not None})
        where = ("--features", file, "--out", tmp_path / "out")
        code = cli.main(["propagate", *map(str, (*where, *words)), *FAST])
        shown = capsys.readouterr()
        assert code == 0 or (shown.out == "" and shown.err.count("\n") == 1)
        return code, shown.out + shown.err

    (tmp_path / "s.json").write_text(json.dumps(ROWS))
    return run


@pytest.mark.parametrize("method", ["seed_kmeans", "llgc"])
def test_prior_accuracy_and_calibration(tmp_path: Path, call: Any, method: str) -> None:
    chosen = ("--selected", tmp_path / "s.json", "--seed", 4, "--method", method)
    code, text = call(*chosen, "--seeding", "class", "--clusters", 4, 9)
    assert code == 0
    rows = np.array(ROWS)
    fine = fine_features(POINTS, 4, 4, Tuning(runs=2, epochs=2))
    if method == "llgc":
        wanted = llgc(fine, rows, TARGETS[rows], 3)
    else:
        rng = stream(4, SPREADING)
        wanted = seed_prior(fine, rows, TARGETS[rows], 3, (4, 9), rng, split=False)
    found = read_prior(tmp_path / "out" / "prior.npz")
    np.testing.assert_array_equal(found.values, wanted)
    assert found.ids.tolist() == list(range(60)) and found.classes == CLASSES
    report = json.loads((tmp_path / "out" / "prior.json").read_text())
    reached = wanted.sum(axis=1) > 0
    right = (wanted.argmax(axis=1) == TARGETS) & reached
    assert report["accuracy"] == pytest.approx(right.mean())
    assert report["reached"] == pytest.approx(reached.mean())
    bins = reliability(wanted.max(axis=1)[reached], right[reached])
    assert report["ece"] == pytest.approx(bins.error)
    assert f"ECE {bins.error:.4f}" in text and "4 labels of 3 of 3 classes" in text
    names = [".usb_ext.json", "prior.json", "prior.npz", "reliability.png"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == names


def test_tuned_features_are_not_tuned_again(tmp_path: Path, call: Any) -> None:
    assert call("--selected", tmp_path / "s.json", "--clusters", 5, tuned=True)[0] == 0
    rows = np.array(ROWS)
    wanted = seed_prior(POINTS, rows, TARGETS[rows], 3, (5,), stream(0, SPREADING))
    found = read_prior(tmp_path / "out" / "prior.npz").values
    np.testing.assert_array_equal(found, wanted)


def test_labels_that_a_person_filled_in(tmp_path: Path, call: Any) -> None:
    """No class is known beforehand: those of the CSV count, and nothing is compared."""
    (tmp_path / "l.csv").write_text("id,class\n50.jpg,cow\n0.jpg,ant\n5.jpg,ant\nc1/25.jpg,bee\n")
    code, text = call("--labels", tmp_path / "l.csv", ids=NAMES, targets=None, class_names=None)
    assert code == 0 and "ECE" not in text
    found = read_prior(tmp_path / "out" / "prior.npz")
    assert found.classes == CLASSES and found.ids.tolist() == NAMES.tolist()
    labelled = found.values[[50, 0, 5, 25]]
    assert labelled.argmax(axis=1).tolist() == [2, 0, 0, 1]
    assert labelled.max(axis=1) == pytest.approx(1)
    report = json.loads((tmp_path / "out" / "prior.json").read_text())
    assert report["clusters"] == [3, 6, 9, 12, 15, 18], "1 to 6 times the number of classes"
    names = [".usb_ext.json", "prior.json", "prior.npz"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == names


def test_two_normalisers(tmp_path: Path, call: Any) -> None:
    sums = {}
    for normaliser in ("row", "runs"):
        words = (
            "--selected",
            tmp_path / "s.json",
            "--normaliser",
            normaliser,
            "--seeding",
            "class",
        )
        assert call(*words, "--clusters", 6, 12, 18)[0] == 0
        sums[normaliser] = read_prior(tmp_path / "out" / "prior.npz").values.sum(axis=1)
    whole = np.isclose(sums["row"], 1) | (sums["row"] == 0)
    assert whole.all()
    assert (sums["runs"] < 0.9).any() and ((sums["runs"] > 0) == (sums["row"] > 0)).all()


CASES: list[tuple[tuple[object, ...], dict[str, Any], int, str]] = [
    ((), {}, 2, "need --selected"),
    (("--selected", "s.json", "--clusters", 3, 2), {}, 2, "clusters holds 2, but there are 3"),
    (("--selected", "s.json", "--clusters", 61), {}, 2, "clusters holds 61, but there are 60"),
    (("--selected", "none.json"), {}, 3, "none.json"),
    (("--selected", "s.json"), {"targets": None}, 2, "give --labels FILE.csv"),
    (("--selected", "s.json"), {"ids": np.arange(60) + 1}, 2, "names 1 images"),
    (("--selected", "s.json"), {"features": POINTS * np.inf}, 3, "NaN or infinite"),
    (("--labels", "none.csv"), {}, 3, "none.csv"),
    (("--labels", "bad.csv"), {}, 2, "line 1: unknown class 'elk'"),
    (("--labels", "bad.csv"), {}, 2, "line 2: unknown id '99'; line 3: id '5' has no class"),
    (("--labels", "bad.csv"), {}, 2, "line 5: id '7' already stands on line 4"),
    (("--labels", "few.csv", "--selected", "s.json"), {}, 2, "lacks 3 of the 4 selected"),
    (("--selected", "s.json", "--method", "magic"), {}, 2, "invalid choice: 'magic'"),
]


@pytest.mark.parametrize(("words", "changed", "code", "message"), CASES, ids=range(len(CASES)))
def test_mistakes_get_one_line_and_leave_nothing(
    tmp_path: Path,
    call: Any,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[object, ...],
    changed: dict[str, Any],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.csv").write_text("0,elk\n99,ant\n5,\n7,ant\n7,ant\n")
    (tmp_path / "few.csv").write_text("0,ant\n")
    got, text = call(*words, **changed)
    assert (got, message in text) == (code, True), text
    assert not (tmp_path / "out").exists()
