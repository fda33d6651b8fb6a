"""The benchmark measures what it says; how fast it is, is not for a test to say."""

from dataclasses import replace

import numpy as np
import pytest
from support.bench import CPU, TINY

from usb_ext.bench import cases
from usb_ext.bench.cases import PRESETS, StopWatch, over_turns, random_images, workload
from usb_ext.core.errors import SettingsError


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


def test_stop_watch_reads_the_clock_between_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 14.0])
    monkeypatch.setattr("usb_ext.bench.cases.time.perf_counter", lambda: next(clock))
    watch = StopWatch(2, 5, CPU)
    for it in range(8):
        watch.before_train_step(type("A", (), {"it": it}))
    assert watch.seconds == 4.0


def test_turns_are_told_by_their_median_and_range() -> None:
    assert over_turns([1.0, 3.0, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0}


def test_images_of_noise_have_the_size_asked_for() -> None:
    images = random_images(3, 5)
    assert images.shape == (3, 5, 5, 3) and images.dtype == np.uint8
