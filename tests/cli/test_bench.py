"""`usb-ext bench`: its report and its exit codes."""

import json
from pathlib import Path

import pytest

from usb_ext.bench.stage import OURS
from usb_ext.cli.main import main


def test_command_writes_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bench.json"
    counts = "--repeats 1 --steps 2 --warm-up 1 --batch-size 2 --uratio 2 --num-images 40".split()
    counts += ["--cpu-time", "--threads", "1"]
    assert main(["bench", *counts, "--ours-only", "--device", "cpu", "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    assert set(report["it_per_s"]) == {f"ours-{name}" for name in OURS} | {"limit"}
    assert set(report["ratios"]) == {
        "ours-fixmatch / limit",
        "ours-layermatch / limit",
        "ours-layermatch / ours-fixmatch",
        "ours-layermatch / ours-freematch",
    }
    assert report["rows_per_step"] == {"all": 10} | {f"ours-{name}": 10 for name in OURS}
    assert {"versions", "device", "commit", "peak_memory_mb", "command"} <= report.keys()
    assert "it/s" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [["--preset", "cifar"], ["--steps", "0"], ["--amp", "fp16"],
     ["--cpu-time", "--threads", "2"]],
    ids=" ".join,
)  # fmt: skip
def test_mistakes_end_with_exit_code_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--device", "cpu", *words]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
