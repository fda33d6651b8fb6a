"""`usb-ext select`: files, coverage, exit codes, and that nothing is left half-written."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.features import blobs, random_points, write_npz

from usb_ext.as3l.clustering.fine_tuning import CHOICE, Tuning, fine_features, stream
from usb_ext.as3l.select.stage import SelectOrder, select_images
from usb_ext.as3l.select.strategies import select
from usb_ext.cli import main as cli
from usb_ext.data.arrays import load_digits_arrays
from usb_ext.data.features import read_features
from usb_ext.data.label_files import read_selected

FAST = ("--runs", "2", "--tune_epochs", "2", "--threads", "1")


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: object) -> tuple[int, str]:
        code = cli.main(["select", *map(str, words), *FAST])
        shown = capsys.readouterr()
        assert (shown.err == "") == (code == 0)
        assert code == 0 or shown.err.count("\n") == 1
        return code, shown.out + shown.err

    return run


def digits_file(path: Path) -> Path:
    images = load_digits_arrays(8).train_images[..., 0].reshape(1297, -1)
    return write_npz(path, features=images.astype(np.float32), dataset="digits")


def test_digits_end_to_end(tmp_path: Path, call: Any) -> None:
    file, out = digits_file(tmp_path / "f.npz"), tmp_path / "out"
    data = ("--dataset", "digits", "--img_size", 8)
    code, text = call("--features", file, "--budget", 12, "--seed", 3, "--out", out, *data)
    assert code == 0
    content = json.loads((out / "selected.json").read_text())
    tuning = Tuning(runs=2, epochs=2)
    fine = fine_features(read_features(file).values, 12, 3, tuning)
    wanted = select("as3l", fine, 12, stream(3, CHOICE), runs=2)
    assert content["ids"] == wanted.positions.tolist()
    assert content["cluster"] == wanted.clusters.tolist()
    assert (content["strategy"], content["seed"], content["dataset"]) == ("as3l", 3, "digits")
    tuned = read_features(out / "tuned.npz")
    assert tuned.tuned and tuned.dataset == "digits"
    np.testing.assert_array_equal(tuned.values, fine)
    covered = len(set(load_digits_arrays(8).train_targets[content["ids"]].tolist()))
    assert f"classes covered: {covered} of 10" in text
    names = [".usb_ext.json", "data.json", "selected.json", "selected.png", "tuned.npz"]
    assert sorted(p.name for p in out.iterdir()) == names
    again = call(
        "--features", out / "tuned.npz", "--budget", 12, "--seed", 3, "--out", tmp_path / "b"
    )
    assert again[0] == 0
    assert json.loads((tmp_path / "b" / "selected.json").read_text())["ids"] == content["ids"]
    assert Image.open(tmp_path / "b" / "selected.png").size != Image.open(out / "selected.png").size


@pytest.mark.parametrize(
    "strategy", ["random", "stratified", "kmedoids", "coreset", "usl", "typiclust"]
)
def test_other_strategies_see_the_features_untuned(
    tmp_path: Path, call: Any, strategy: str
) -> None:
    points, targets = blobs(3, 15)
    names = np.array([f"c{t}/{i}.jpg" for i, t in enumerate(targets)])
    file = write_npz(tmp_path / "f.npz", features=points, ids=names, targets=targets)
    code, text = call(
        "--features", file, "--budget", 3, "--strategy", strategy, "--out", tmp_path,
        "--normalise", "none",
    )  # fmt: skip
    content = json.loads((tmp_path / "selected.json").read_text())
    wanted = select(strategy, points, 3, stream(0, CHOICE), targets=targets)
    assert code == 0
    assert content["ids"] == content["files"] == names[wanted.positions].tolist()
    assert not (tmp_path / "tuned.npz").exists()
    assert "classes covered" in text and strategy in text


BAD = random_points(6, 2, 0, np.float32)
BAD[2, 1] = np.nan
CASES: list[tuple[dict[str, Any], tuple[object, ...], int, str]] = [
    ({}, ("--budget", 0), 2, "budget is 0; it must be at least 1"),
    ({}, ("--budget", 7), 2, "holds 6 images; use 1 to 6"),
    ({}, ("--budget", "x"), 2, "invalid int value"),
    ({}, ("--budget", 2, "--strategy", "best"), 2, "invalid choice: 'best'"),
    ({}, ("--budget", 2, "--strategy", "stratified"), 2, "but 0 are known"),
    ({}, ("--budget", 2, "--device", "cuda:99"), 2, "cuda"),
    ({"features": BAD}, ("--budget", 2), 3, "NaN or infinite values, the first is id 2"),
    ({"ids": np.arange(6) + 1295}, ("--budget", 2, "--dataset", "digits"), 2, "id 1297 is none"),
    ({"dataset": "svhn"}, ("--budget", 2, "--dataset", "digits"), 2, "is of dataset svhn"),
    ({}, ("--budget", 2, "--dataset", "imagefolder", "--data_dir", "/none"), 3, "/none"),
]


@pytest.mark.parametrize(("arrays", "words", "code", "message"), CASES, ids=range(len(CASES)))
def test_mistakes_get_one_line_and_leave_nothing(
    tmp_path: Path,
    call: Any,
    arrays: dict[str, Any],
    words: tuple[object, ...],
    code: int,
    message: str,
) -> None:
    given = {"features": random_points(6, 2, 0, np.float32), **arrays}
    file, out = write_npz(tmp_path / "f.npz", **given), tmp_path / "out"
    got, text = call("--features", file, "--out", out, *words)
    assert (got, message in text) == (code, True), text
    assert not out.exists()


def test_a_missing_features_file(tmp_path: Path, call: Any) -> None:
    code, text = call("--features", tmp_path / "no.npz", "--budget", 2)
    assert code == 3 and "usb-ext pretrain" in text


def test_the_order_has_the_papers_numbers() -> None:
    order = SelectOrder(Path("f.npz"), 10)
    assert (order.strategy, order.tuning) == ("as3l", Tuning(runs=6, epochs=40))


@pytest.mark.parametrize("strategy", ["as3l", "kmedoids"])
def test_either_strategy_chooses_on_either_features(tmp_path: Path, strategy: str) -> None:
    """Table 6: on f_fine as on a file that holds f_fine; on f_self as without fine-tuning."""
    values = blobs(6, 40)[0]
    write_npz(tmp_path / "f.npz", features=values)
    fine = fine_features(values, 5, 0, Tuning(runs=2, epochs=3))
    alone = fine_features(values, 5, 0, Tuning(runs=2, epochs=0))
    assert np.abs(fine - alone).max() > 1e-3
    for name, space in (("fine", fine), ("self", alone)):
        write_npz(tmp_path / f"{name}.npz", features=space, tuned=np.array(True))
        tuning = Tuning(runs=2, epochs=3)
        for file, out, how in (("f.npz", "a", name), (f"{name}.npz", "b", "auto")):
            order = SelectOrder(
                tmp_path / file, 5, strategy, 0, tmp_path / name / out, tuning, space=how
            )
            select_images(order, None)
        ids = [read_selected(tmp_path / name / out / "selected.json").ids for out in "ab"]
        assert ids[0] == ids[1]
        assert (tmp_path / name / "a" / "tuned.npz").exists() == (name == "fine")
