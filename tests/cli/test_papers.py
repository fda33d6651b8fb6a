"""`usb-ext table`: what it prints and writes, and mistakes in one line."""

from pathlib import Path

import pytest
from support.evidence import layermatch_runs

from usb_ext.cli.main import main


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return layermatch_runs(tmp_path / "runs")


def test_command(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "table.md"
    words = ["table", "layermatch-1", str(runs), "--format", "markdown", "--out", str(out)]
    assert main(words) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert "| 97.65±0.1 | 93.00±7.2 (n=3) |" in out.read_text()
    assert main(["table", "layermatch-5", "--format", "csv"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("method,setting,dataset") and captured.err.startswith("paper: ")
    assert main(["table", "list"]) == 0
    assert capsys.readouterr().out.split()[0] == "as3l-1"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["layermatch-9"], 2, "no table 'layermatch-9'; there are as3l-1"),
        (["layermatch-1", "/nowhere"], 3, "/nowhere: no run there"),
        (["layermatch-1", "--out", "/nowhere/x"], 3, "/nowhere/x could not be written"),
        (["layermatch-1", "--format", "html"], 2, "html"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["table", *words]) == code
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count("\n") == 1 and captured.out == ""
