"""Validation images held out of both training sets, of our sets and of USB's."""

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from support.data_arguments import arguments

from usb_ext.core.errors import SettingsError
from usb_ext.data.sets import prepare


def test_digits_serve_the_validation_images_without_augmentation() -> None:
    data = prepare(arguments(img_size=16, num_val=30))
    validation = data.datasets["val"]
    assert len(validation) == 30 and len(data.datasets["train_ulb"]) == 1267
    assert validation.transform is data.datasets["eval"].transform
    assert np.bincount(validation.targets).tolist() == [3] * 10
    assert data.summary["num_labels"] == 10 and len(data.validation) == 30
    assert prepare(arguments(img_size=16)).datasets["val"] is None


def test_fullysupervised_does_not_train_on_them() -> None:
    data = prepare(arguments(img_size=16, num_val=30, algorithm="fullysupervised"))
    assert len(data.datasets["train_lb"]) == 1267


def test_usbs_set_holds_them_out_too(cifar: Path) -> None:
    folder = str(cifar / "data")
    args = arguments(dataset="cifar10", data_dir=folder, num_labels=20, num_val=40, img_size=32)
    data = prepare(args)
    validation, unlabelled = data.datasets["val"], data.datasets["train_ulb"]
    assert len(validation) == 40 and len(unlabelled) == 160
    assert validation.transform is data.datasets["eval"].transform
    targets = np.tile(np.arange(40) % 10, 5)
    np.testing.assert_array_equal(validation.targets, targets[data.validation])
    rows = {image.tobytes() for image in validation.data}
    assert len(rows) == 40
    for part in (unlabelled, data.datasets["train_lb"]):
        assert not rows & {image.tobytes() for image in part.data}
    with pytest.raises(SettingsError, match="fullysupervised trains on every image"):
        prepare(Namespace(**{**vars(args), "algorithm": "fullysupervised"}))
