"""`--overwrite` and names at the command line: what is a person's is refused in one line, untouched."""

from pathlib import Path

import pytest
from support.run import TINY

from usb_ext.cli.main import main

GIVEN = {**TINY, "num_train_iter": 1, "num_eval_iter": 1, "epoch": 1, "algorithm": "fixmatch"}


def call(*words: str, **changed: object) -> int:
    given = {k: v for k, v in {**GIVEN, **changed}.items() if v is not None}
    return main(["train", *(w for k, v in given.items() for w in (f"--{k}", str(v))), *words])


def files(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def home(tmp_path: Path) -> Path:
    """Somebody's documents, a folder of runs, and a data set."""
    for name in (
        "thesis/chapter.tex",
        "runs/a/result.json",
        "runs/b/result.json",
        "proj/train/0/1.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    return tmp_path


@pytest.mark.parametrize(
    "name", ["thesis", "runs", "proj", ".", "..", "/ABSOLUTE", "runs/..", "a/../.."]
)
@pytest.mark.parametrize("flag", [(), ("--overwrite",), ("--overwrite", "--resume")])
def test_a_folder_that_is_no_run_of_ours_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, flag: tuple[str, ...]
) -> None:
    place = home(tmp_path)
    before = files(place)
    name = name.replace("/ABSOLUTE", str(place / "thesis"))
    assert call(*flag, save_dir=place, save_name=name) == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1 and said.startswith("usb-ext: ")
    assert "Traceback" not in said and files(place) == before


def test_a_persons_settings_file_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--c exp1/config.yaml --save_name exp1` took the folder for a fresh run's."""
    text = "algorithm: fixmatch  # tuned by hand\n"
    (tmp_path / "exp1").mkdir()
    (tmp_path / "exp1" / "config.yaml").write_text(text)
    file = str(tmp_path / "exp1" / "config.yaml")
    assert call("--c", file, save_dir=tmp_path, save_name="exp1") == 2
    assert "config.yaml" in capsys.readouterr().err
    assert files(tmp_path) == {"exp1/config.yaml": text}


def test_a_bad_step_ends_with_one_line_and_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(save_dir=tmp_path, lr="1e45") == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("usb-ext: after step 1 the weights are not finite")
    assert said[-1].endswith("there is no checkpoint yet")


@pytest.mark.parametrize("name", ["table.tex", "layermatch-1.md"])
def test_a_table_does_not_take_the_place_of_a_persons_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    assert main(["table", "layermatch-1", "--out", str(tmp_path / "thesis.tex")]) == 2
    assert "thesis.tex" in capsys.readouterr().err
    assert (tmp_path / "thesis.tex").read_text() == "mine"
    for _ in range(2):
        assert main(["table", "layermatch-1", "--out", str(tmp_path / name)]) == 0
