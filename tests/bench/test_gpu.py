"""`usb-ext bench --preset gpu`: order, time and failures, with a bench in the place of the real one."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from support.bench import CPU

from usb_ext.bench import gpu
from usb_ext.bench.gpu import MEASUREMENTS, bench_gpu, targets
from usb_ext.cli.main import main
from usb_ext.core.errors import SettingsError

RATES = {"ours-layermatch": {"median": 200.0, "min": 160.0, "max": 256.0}}
RATIO = {"median": 2.0, "min": 1.5, "max": 2.5}
REPORT: dict[str, Any] = {
    "it_per_s": RATES, "ratios": {"ours-layermatch / limit": RATIO}, "table": "device\n  a line",
}  # fmt: skip

BENCH = """
import json, sys, time
words = sys.argv[1:]
asked = ("--compile" in words) * "graphs" + ("--amp" in words) * "bf16"
here = words[words.index("--preset") + 1] + " " + asked
with open({log!r}, "a") as file:
    file.write(here + "\\n")
if here == "cifar-vit bf16":
    sys.exit("usb-ext: out of memory")
if here == "cifar-wrn graphsbf16":
    time.sleep(600)
with open(words[words.index("--json") + 1], "w") as file:
    json.dump({report!r}, file)
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bench that is done at once, but for one that fails and one that takes ten minutes."""
    log, script = tmp_path / "log", tmp_path / "bench.py"
    script.write_text(BENCH.format(log=str(log), report=REPORT))
    monkeypatch.setattr(gpu, "COMMAND", (sys.executable, str(script)))
    monkeypatch.setattr(gpu, "seconds_for", lambda left: 8.0)
    return log


def test_a_measurement_that_fails_or_takes_too_long_leaves_the_others(stand_in: Path) -> None:
    written: list[dict[str, Any]] = []

    def write(report: dict[str, Any]) -> None:
        written.append(json.loads(json.dumps(report)))

    report = bench_gpu(CPU, 9, write, lambda _: None, small=True)
    assert report["left"] == {
        "vit bf16": "exit code 1: usb-ext: out of memory",
        "wrn bf16 graphs": "stopped: its 8 s were over",
    }
    assert list(report["done"]) == [m.name for m in MEASUREMENTS if m.name not in report["left"]]
    assert len(written) == len(MEASUREMENTS) and written[-1] == report
    assert list(written[0]["done"]) == ["wrn bf16"] and not written[0]["left"]
    assert stand_in.read_text().splitlines()[:3] == [
        "cifar-wrn bf16", "cifar-vit bf16", "cifar-wrn graphsbf16",
    ]  # fmt: skip
    assert "wrn bf16, ours-layermatch / limit: 2 (1.5-2.5), wanted 0.9" in report["table"]
    assert "vit bf16: not measured, exit code 1: usb-ext: out of memory" in report["table"]


def test_what_there_is_no_time_for_is_not_begun(stand_in: Path) -> None:
    report = bench_gpu(CPU, gpu.LEAST_SECONDS / 61, lambda _: None, lambda _: None, small=True)
    assert report["left"] == {m.name: "no time was left" for m in MEASUREMENTS}
    assert not stand_in.exists()


def test_one_that_hangs_leaves_time_for_others() -> None:
    assert gpu.seconds_for(540) == 270 and gpu.seconds_for(21) == gpu.LEAST_SECONDS


def test_the_minutes_of_204800_steps() -> None:
    """204,800 steps at 200, 256 and 160 a second: 17.07, 13.33 and 21.33 minutes."""
    (row,) = targets({"vit fp32": {"it_per_s": RATES, "ratios": {}}})
    assert {k: row[k] for k in ("median", "min", "max")} == {
        "median": 17.07, "min": 13.33, "max": 21.33,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--device", "cpu"], "the device is cpu; try it elsewhere with --small"),
        (["--minutes", "0"], "--minutes is 0; it must be above 0"),
        (["--minutes", "nan"], "--minutes is nan; it must be above 0"),
    ],
)
def test_mistakes_are_told(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--preset", "gpu", *words]) == 2
    assert told in capsys.readouterr().err


def test_every_flag_of_a_measurement_is_one_of_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from usb_ext.cli import bench as command

    taken: list[Any] = []

    def measure(arguments: Any, load: Any, device: Any) -> dict[str, Any]:
        taken.append((load.net, load.steps, load.amp, load.compile))
        return {"table": ""}

    monkeypatch.setattr(command, "_measure", measure)
    for one in MEASUREMENTS:
        words = [w for w in one.words if w not in ("--amp", "bf16")]  # a CPU may have none
        assert main(["bench", *words, "--device", "cpu"]) == 0
    assert len({m.name for m in MEASUREMENTS}) == len(taken) == 8
    assert {net for net, *_ in taken} == {"wrn_28_2", "vit_tiny_patch2_32"}
    with pytest.raises(SettingsError, match="preset gpu is for CUDA"):
        bench_gpu(CPU, 1, lambda _: None, lambda _: None)
