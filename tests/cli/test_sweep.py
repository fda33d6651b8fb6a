"""`usb-ext sweep`: what it refuses before any run, what it would run."""

from pathlib import Path

import pytest
from support.run import TINY

from usb_ext.cli import main as cli


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    given = {**TINY, "save_dir": str(tmp_path / "saved")}
    path.write_text("".join(f"{name}: {value}\n" for name, value in given.items()))
    return path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "sweep needs --grid"),
        (["--grid", "seed=0,1"], "--grid sets seed"),
        (["--grid", "lrr=0.1"], "--grid: "),
        (["--grid", "lr=0.1,fast"], "lr: got 'fast'"),
        (["--grid", "lr=0.1", "--lr", "0.2"], "--grid and --lr both set lr"),
        (["--grid", "lr=0.1", "--jobs", "0"], "--jobs is 0"),
        (["--grid", "lr=0.1", "--time", "10"], "--time is about jobs"),
        (["--grid", "lr=0.1", "--seeds", "0", "0"], "a fold twice"),
    ],
)
def test_mistakes_end_before_any_run(
    config: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    before = set(config.parent.rglob("*"))
    assert cli.main(["sweep", "--c", str(config), *words]) == 2
    err = capsys.readouterr().err.splitlines()
    assert said in err[-1] and not any("Traceback" in line for line in err)
    assert set(config.parent.rglob("*")) == before


def test_a_dry_run_names_every_cell(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--grid", "lr=0.01,0.03", "T=0.5,1", "--seeds", "0", "1", "--dry-run"]
    assert cli.main(["sweep", "--c", str(config), *words]) == 0
    said = capsys.readouterr().out
    assert "8 runs of 8 steps" in said and "sweep_tiny" in said
    for cell in ("lr=0.01,T=0.5: layermatch with lr 0.01, T 0.5", "lr=0.03,T=1: layermatch"):
        assert cell in said
    assert cli.main(["sweep", "--c", str(config), *words, "--algorithm", "fixmatch"]) == 0
    assert "lr=0.01,T=0.5: fixmatch with lr 0.01" in capsys.readouterr().out


def test_no_train_reports_what_is_there(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--grid", "lr=0.01,0.03", "--seeds", "0", "--no-train"]
    assert cli.main(["sweep", "--c", str(config), *words]) == 0
    said = capsys.readouterr().out
    assert "no run that can be used for seed 0" in said and "no run is finished" in said
