"""`usb_ext.add_dataset`: a set of the user's goes through splits, views and records as ours do."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.run import run

import usb_ext
from usb_ext.core.errors import SettingsError
from usb_ext.data.arrays import ImageArrays
from usb_ext.data.sets import prepare


def colours(settings: Any) -> ImageArrays:
    """90 training and 30 test images of three colours, class 0, 1, 2, 0, 1, 2, ..."""
    targets = np.arange(120) % 3
    images = np.zeros((120, settings.img_size, settings.img_size, 3), dtype=np.uint8)
    images[np.arange(120), :, :, targets] = 200
    return ImageArrays(
        train_images=images[:90], train_targets=targets[:90], test_images=images[90:],
        test_targets=targets[90:], classes=("red", "green", "blue"), mean=(0.3,) * 3,
        std=(0.3,) * 3, hflip=True,
    )  # fmt: skip


def test_a_run_on_it_learns_it_and_records_its_labelled_images(
    tmp_path: Path,
    registries: None,
) -> None:
    usb_ext.add_dataset("colours", colours)
    given = {"dataset": "colours", "num_classes": 3, "num_labels": 6, "algorithm": "fixmatch"}
    result = run(tmp_path, **given, num_train_iter=20, num_eval_iter=10, lr=0.1)
    assert result is not None and result.status == "completed"
    assert result.top1_last > 0.9
    recorded = json.loads((tmp_path / "run" / "labelled.json").read_text())
    positions = recorded["positions"] if isinstance(recorded, dict) else recorded
    assert sorted(np.asarray(positions) % 3) == [0, 0, 1, 1, 2, 2]


def test_the_number_of_classes_is_checked(tmp_path: Path, registries: None) -> None:
    usb_ext.add_dataset("colours", colours)
    with pytest.raises(SettingsError, match="num_classes is 10, but colours has 3 classes"):
        run(tmp_path, dataset="colours")


def test_a_name_is_taken_once(registries: None) -> None:
    for name in ("digits", "cifar10", "ag_news", ""):
        with pytest.raises(ValueError, match=f"data set name {name!r} is empty or taken"):
            usb_ext.add_dataset(name, colours)


def test_loading_is_asked_once_a_build_with_the_runs_settings(registries: None) -> None:
    asked: list[Any] = []

    def load(settings: Any) -> ImageArrays:
        asked.append(settings)
        raise LookupError

    usb_ext.add_dataset("asked", load)
    args = Namespace(dataset="asked", img_size=5)
    with pytest.raises(LookupError):
        prepare(args)
    assert asked == [args]
