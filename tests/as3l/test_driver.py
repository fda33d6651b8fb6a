"""`usb-ext train` on settings that ask for AS3L's files: the stages first, then the run as any other."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.processes import in_processes
from support.run import TINY as TINY_RUN
from support.run import assert_same_state, checkpoint_of, metrics_of, undrawn
from support.ssl import WHOLE, commanded

import usb_ext
from usb_ext.as3l.driver import with_stages
from usb_ext.as3l.pretrain.loop import Pretraining
from usb_ext.cli.main import main
from usb_ext.engine.loop import Loop
from usb_ext.settings import load_settings

LABELS = "labels_digits_as3l_10_s0"


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """A command on `WHOLE` with changes, in the test's folder: exit code, standard output, errors."""

    def run(command: str, *flags: str, **changed: Any) -> tuple[int, str, str]:
        given = {**WHOLE, "save_dir": str(tmp_path), **changed}
        words = [w for k, v in given.items() for w in (f"--{k}", str(v))]
        with undrawn():
            code = main([command, *words, *flags])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_train_makes_what_as3l_makes_and_ends_with_the_same_weights(
    call: Any, tmp_path: Path
) -> None:
    code, out, err = call("train")
    assert code == 0, err
    assert "backbone.pth" in out and "images chosen" in out and "prior.npz" in out
    assert out.splitlines()[-1].startswith("top1_last ")
    call("as3l", save_dir=tmp_path / "other")
    assert_same_state(checkpoint_of(tmp_path), checkpoint_of(tmp_path / "other"))
    code, _, err = call("train")
    assert code == 2 and "exists already; continue it with --resume" in err


def test_two_processes_pre_train_and_train_together_and_one_chooses(tmp_path: Path) -> None:
    """By each command, in one folder: one says what is made, both end well, and nothing is made twice."""
    found = in_processes(2, commanded, "train", str(tmp_path), join=False)
    assert [code for code, _ in found] == [0, 0] and found[1][1] == ""
    said = found[0][1]
    assert all(said.count(word) == 1 for word in ("backbone.pth", "images chosen", "top1_last"))
    record = json.loads((tmp_path / "run" / "result.json").read_text())
    assert record["status"] == "completed" and record["num_labels"] == 10
    assert [row["it"] for row in metrics_of(tmp_path)] == [1, 2, 3, 4]
    again = in_processes(2, commanded, "as3l", str(tmp_path), join=False)
    assert [code for code, _ in again] == [0, 0] and again[1][1] == ""
    for words in ("(made before)", "chosen before", "pseudo-labels made before", "trained before"):
        assert again[0][1].count(words) == 1, words


def test_a_run_folder_that_is_taken_is_refused_before_the_stages(call: Any, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    code, _, err = call("train")
    assert code == 2 and "notes.txt" in err
    assert not (tmp_path / "ssl").exists()


def test_it_is_stopped_in_any_stage_and_goes_on_to_the_same_end(
    call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal in pre-training, another in training; the end is that of a run that nobody stopped."""
    code, _, err = call("train", save_dir=tmp_path / "whole")
    assert code == 0, err
    for part, method, at in ((Pretraining, "one_step", 1), (Loop, "_end_epoch", 2)):
        original = getattr(part, method)

        def stopped(self: Any, *given: Any, original: Any = original, at: int = at) -> Any:
            found = original(self, *given)
            if getattr(self, "step", getattr(self, "it", None)) == at:
                signal.raise_signal(signal.SIGTERM)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(part, method, stopped)
            code, _, err = call("train", "--resume")
        assert code == 143 and "continue with --resume" in err
    assert checkpoint_of(tmp_path)["it"] == 2
    code, _, err = call("train", "--resume")
    assert code == 0, err
    assert_same_state(checkpoint_of(tmp_path), checkpoint_of(tmp_path / "whole"))


def test_unknown_classes_end_with_3_and_the_file_to_fill_in(call: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "photos" / "train").mkdir(parents=True)
    for number in range(24):
        pixels = rng.integers(0, 40, (8, 8, 3)) + 200 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"photos/train/{number:02d}.png")
    given = {
        "dataset": "imagefolder", "data_dir": tmp_path / "photos", "num_classes": 2, "num_labels": 4,
        "ssl_batch_size": 8, "ssl_knn": 3, "without_test": True, "img_size": 8,
        "batch_size": 2,
    }  # fmt: skip
    for prior in (True, False):
        code, _, err = call("train", prior_label=prior, **given)
        to_label = tmp_path / "labels_imagefolder_as3l_4_s0" / "to_label.csv"
        assert code == 3 and f"fill in {to_label}" in err and err.count("\n") == 1
    ids = to_label.read_text().split()[1:]
    rows = [f"{i}{'bright' if int(Path(i.strip(',')).stem) % 2 else 'dark'}" for i in ids]
    to_label.write_text("\n".join(["id,class", *rows]) + "\n")
    code, _, err = call("train", as3l_labels=to_label, **given)
    assert code == 0, err
    record = json.loads((tmp_path / "run" / "result.json").read_text())
    assert record["status"] == "completed" and record["extensions"] == ["prior_label"]


def test_features_that_lack_images_are_refused_before_work(call: Any, tmp_path: Path) -> None:
    values = np.zeros((1290, 6), np.float32)
    np.savez(tmp_path / "own.npz", features=values, ids=np.arange(7, 1297))
    given = {
        "features": tmp_path / "own.npz",
        "use_pretrain": False,
        "pretrain_path": "None",
    }
    for command in ("train", "as3l"):
        code, _, err = call(command, **given)
        assert (
            code == 2
            and "lacks 7 of the 1297 training images of digits (0, 1, 2, 3, 4, ...)" in err
        )
    assert not (tmp_path / LABELS).exists()


def test_from_python_too_and_a_plain_run_is_left_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "own.npz", features=rng.normal(size=(1297, 6)).astype(np.float32))
    given = {
        **WHOLE, "save_dir": str(tmp_path), "features": str(tmp_path / "own.npz"),
        "use_pretrain": False, "pretrain_path": None,
    }  # fmt: skip
    with undrawn():
        result = usb_ext.train(given)
    assert result.status == "completed" and (tmp_path / LABELS / "prior.npz").is_file()
    plain = load_settings({**TINY_RUN, "save_dir": str(tmp_path)})
    assert with_stages(plain) is plain
    shutil.rmtree(tmp_path)
