"""`usb-ext predict`, `evaluate`, `export`, `report`: flags, exit codes, one line of error."""

import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from support.used import photo_run

from usb_ext.cli import use
from usb_ext.serving.formats import FORMATS
from usb_ext.training.load import Which


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photo_run(tmp_path_factory.mktemp("photo"))


def test_what_may_be_chosen_is_what_there_is() -> None:
    assert get_args(Which) == use.WHICH and tuple(FORMATS) == use.FORMATS


def test_predict(call: Any, photo: Path, tmp_path: Path) -> None:
    photos = photo.parent / "photos"
    words = ["predict", photo, photos / "train", photos / "test" / "cat" / "000.png", "--out"]
    code, out, err = call(
        *words, tmp_path / "p.csv", "--device", "cpu", "--sort-into", tmp_path / "s"
    )
    assert (code, err) == (0, "") and out.startswith("13 images, ")
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 14
    assert "13 copied into" in out
    code, _, err = call(*words, tmp_path / "p.csv")
    assert code == 2 and err.count("\n") == 1 and "--overwrite" in err
    assert call(*words, tmp_path / "p.csv", "--overwrite")[0] == 0


def test_evaluate(call: Any, photo: Path, tmp_path: Path) -> None:
    words = ["evaluate", photo, photo.parent / "photos" / "test", "--out", tmp_path / "e"]
    code, out, err = call(*words)
    assert (code, err) == (0, "") and out.startswith("accuracy ") and "on 6 images" in out
    assert call(*words)[0] == 2 and call(*words, "--overwrite")[0] == 0


def test_export(call: Any, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    code, said, err = call("export", photo, "--format", "safetensors", "--out", out)
    assert (code, err) == (0, "") and said.startswith(f"{out}: ") and out.is_file()


def test_report(call: Any, photo: Path, tmp_path: Path) -> None:
    code, said, err = call("report", photo, "--out", tmp_path / "r.html", "--most", 2)
    assert (code, err) == (0, "") and said.startswith(f"{tmp_path / 'r.html'}: ")
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            ["predict", "nowhere", "{photos}"],
            3,
            "nowhere does not exist; give the folder that a run left",
        ),
        (["predict", "{run}", "{photos}/none"], 3, "none does not exist; name image files"),
        (["predict", "{photos}", "{photos}"], 3, "holds no config.yaml"),
        (["predict", "{run}"], 2, "required: PATH; see `usb-ext predict --help`"),
        (["predict", "{run}", "{photos}", "--batch-size", "0"], 2, "--batch-size is 0"),
        (["predict", "{run}", "{photos}", "--device", "gpu"], 2, "device"),
        (["evaluate", "{run}", "{photos}"], 2, "no class of the run: test, train"),
        (["evaluate", "{run}", "{photos}/none"], 3, "no folder"),
        (
            ["evaluate", "{run}", "{photos}", "--labels", "no.csv"],
            3,
            "cannot read label file no.csv",
        ),
        (["export", "{run}", "--format", "onnx", "--out", "m.pt2"], 2, "ends in .onnx"),
        (["export", "{run}", "--format", "tf", "--out", "m"], 2, "tf"),
        (["report", "nowhere"], 3, "nowhere does not exist; give the folder that a run left"),
        (["report", "{run}", "--most", "0"], 2, "--most is 0"),
    ],
)
def test_mistakes_are_one_line(
    call: Any, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int,
    said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    places = {"run": photo, "photos": photo.parent / "photos"}
    found, out, err = call(*(word.format(**places) for word in words))
    assert (found, out) == (code, "") and err.count("\n") == 1 and said in err
    assert list(tmp_path.iterdir()) == []


def test_mistakes_are_answered_without_torch(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "there.csv").touch()
    commands = [
        ["predict", str(photo), "y", "--batch-size", "0"],
        ["predict", "nowhere", "y"],
        ["predict", str(photo), "y", "--out", str(tmp_path / "there.csv")],
        ["evaluate", "nowhere", "y"],
        ["export", "nowhere", "--format", "onnx", "--out", "x.onnx"],
        ["report", "nowhere"],
        ["export", "x"],
    ]
    code = (
        f"import sys\nfrom usb_ext.cli.main import main\nfor words in {commands!r}: main(words)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n"
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == ["usb-ext"] * len(commands)
    assert "exists already" in done.stderr and done.stderr.count("nowhere does not exist") == 4
