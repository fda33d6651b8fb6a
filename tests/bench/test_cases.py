"""The benchmark measures what it says; how fast it is, is not for a test to say."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from usb_ext.bench import cases
from usb_ext.bench.cases import PRESETS, StopWatch, over_turns, random_images, workload
from usb_ext.bench.parts_of_step import PARTS, breakdown, mapped_images, points
from usb_ext.bench.stage import OURS, ratios
from usb_ext.cli.main import main
from usb_ext.core.errors import SettingsError

CPU = torch.device("cpu")
TINY = replace(
    PRESETS["digits"], batch_size=2, uratio=2, num_images=40, steps=3, warm_up=2, repeats=1
)


def test_presets_are_those_of_the_papers() -> None:
    wrn, vit = PRESETS["cifar-wrn"], PRESETS["cifar-vit"]
    assert (wrn.net, wrn.batch_size, wrn.batch_size * wrn.uratio) == ("wrn_28_2", 64, 448)
    assert (vit.net, vit.batch_size, vit.batch_size * vit.uratio) == ("vit_tiny_patch2_32", 8, 8)
    assert workload("digits", {"batch_size": 4, "net": None}) == replace(
        PRESETS["digits"], batch_size=4
    )
    with pytest.raises(SettingsError, match="cifar-wrn"):
        workload("cifar", {})


def test_usbs_class_is_unmodified_and_ours_is_ours() -> None:
    theirs = cases.build_usb(TINY, CPU, num_workers=0)
    base = type(theirs).__mro__[1]
    assert base.__module__ == "semilearn.algorithms.fixmatch.fixmatch"
    assert set(vars(type(theirs))) - {"__module__", "__doc__"} == {"set_dataset"}
    assert theirs.hooks_dict["EMAHook"].__class__.__module__ == "semilearn.core.hooks.ema"
    ours = cases.build_ours(TINY, "layermatch", CPU)
    assert ours.extensions == ("grad_relu", "avg_clustering")


@pytest.mark.parametrize("who", ["usb", "ours"])
def test_parts_of_a_step_add_up(who: str) -> None:
    made = (
        cases.build_usb(TINY, CPU, 0) if who == "usb" else cases.build_ours(TINY, "fixmatch", CPU)
    )
    parts = breakdown(TINY, made, CPU)
    assert tuple(parts) == PARTS
    assert all(value >= 0 for value in parts.values())
    assert min(parts["data"], parts["forward"], parts["backward"], parts["optimizer"]) > 0


def test_stop_watch_reads_the_clock_between_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 14.0])
    monkeypatch.setattr("usb_ext.bench.cases.time.perf_counter", lambda: next(clock))
    watch = StopWatch(2, 5, CPU)
    for it in range(8):
        watch.before_train_step(type("A", (), {"it": it}))
    assert watch.seconds == 4.0


def test_ratios_are_taken_within_a_turn() -> None:
    rates = {"ours-fixmatch": [4.0, 9.0, 8.0], "limit": [8.0, 10.0, 8.0]}
    assert ratios(rates) == {"ours-fixmatch / limit": {"median": 0.9, "min": 0.5, "max": 1.0}}
    assert over_turns([1.0, 3.0, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0}


def test_images_of_a_mapped_file(tmp_path: Path) -> None:
    images = mapped_images(tmp_path / "i.npy", 2500, 4)
    assert isinstance(images, np.memmap) and images.shape == (2500, 4, 4, 3)
    np.testing.assert_array_equal(images[2300], images[300])
    assert random_images(3, 5).shape == (3, 5, 5, 3)


def test_scale_reaches_a_hundred_thousand_images_of_96_pixels() -> None:
    sizes = [(p.num_images, p.img_size) for varies, p in points(TINY) if varies == "num_images"]
    assert sizes[-1] == (100_000, 96)


def test_command_writes_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bench.json"
    counts = "--repeats 1 --steps 2 --warm-up 1 --batch-size 2 --uratio 2 --num-images 40".split()
    assert main(["bench", *counts, "--ours-only", "--device", "cpu", "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    assert set(report["it_per_s"]) == {f"ours-{name}" for name in OURS} | {"limit"}
    assert set(report["ratios"]) == {
        "ours-fixmatch / limit",
        "ours-layermatch / limit",
        "ours-layermatch / ours-fixmatch",
        "ours-layermatch / ours-freematch",
    }
    assert {"versions", "device", "commit", "peak_memory_mb", "command"} <= report.keys()
    assert "it/s" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--preset", "cifar"], ["--steps", "0"], ["--amp", "fp16"]])
def test_mistakes_end_with_exit_code_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--device", "cpu", *words]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
