"""USB's data sets: files that are not there, and a validation set cut out where they allow it."""

from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.upstream.usb_datasets import SOURCES, not_found, with_validation


def test_without_a_wish_nothing_changes() -> None:
    datasets = {"eval": object()}
    args = Namespace(num_val=None, val_index_file=None)
    assert with_validation(args, datasets, None, None, 0) is datasets


def test_stl10_serves_its_training_images_at_the_end_of_the_unlabelled() -> None:
    pixels = np.arange(12)[:, None]
    unlabelled = SimpleNamespace(data=np.concatenate([pixels[:2], pixels]), targets=np.full(14, -1))
    split = SimpleNamespace(validation=np.array([3, 0]), validation_targets=np.array([1, 2]))
    datasets = {"train_ulb": unlabelled, "eval": SimpleNamespace(data=None, targets=None)}
    args = Namespace(num_val=2, val_index_file=None, algorithm="fixmatch", dataset="stl10")
    found = with_validation(args, datasets, pixels[[5, 2]], split, num_images=10)
    # The last 10 rows are the training images: position 3 is the pixel 5, position 0 the pixel 2.
    assert unlabelled.data.ravel().tolist() == [0, 1, 0, 1, 3, 4, 6, 7, 8, 9, 10, 11]
    assert found["val"].data.ravel().tolist() == [5, 2] and len(unlabelled.targets) == 12


def test_a_set_that_usb_splits_itself_has_none_to_give() -> None:
    args = Namespace(num_val=2, val_index_file=None, algorithm="fixmatch", dataset="imagenet")
    with pytest.raises(SettingsError, match="imagenet, but USB splits it itself"):
        with_validation(args, {}, None, None, 0)


@pytest.mark.parametrize(
    ("dataset", "folder", "how"),
    [
        ("cifar10", "cifar10", f"download {SOURCES['cifar10']} and unpack it there"),
        ("aclImdb", "aclImdb", "USB's README tells how to get it"),
        ("EuroSAT", "eurosat", "USB's README"),
    ],
)
def test_it_names_the_folder_and_where_to_get_the_files(
    dataset: str, folder: str, how: str
) -> None:
    error = not_found(Namespace(dataset=dataset), Path("/data"), OSError("no route\nto host"))
    text = str(error)
    assert f"/data/{folder} " in text and how in text and "(no route)" in text
    assert "\n" not in text and error.exit_code == 3
