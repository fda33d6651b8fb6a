"""What is known of the images behind features, and features of another data set."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from usb_ext.as3l.inputs.feature_images import images_of, refuse_gaps
from usb_ext.core.errors import SettingsError
from usb_ext.data.arrays import load_digits_arrays
from usb_ext.data.features import Features
from usb_ext.settings import load_settings

DIGITS = load_settings({"dataset": "digits", "img_size": 8}).settings
ARRAYS = load_digits_arrays(8)
PATH = Path("f.npz")


def features(ids: Any, **changed: Any) -> Features:
    ids = np.array(ids)
    return Features(np.zeros((len(ids), 2), np.float32), ids, **changed)


def test_the_file_alone() -> None:
    found = images_of(features(["a/1.jpg", "2.jpg"], targets=np.array([1, 4])), PATH, None)
    assert found.files == ("a/1.jpg", "2.jpg") and found.num_classes == 5
    assert found.picture(0) is None and found.classes is None
    assert images_of(features([3, 1]), PATH, None).num_classes is None
    unknown = features([3, 1], targets=np.array([-1, -1]))
    assert images_of(unknown, PATH, None).num_classes is None
    named = features([3, 1], class_names=("a", "b", "c"))
    assert images_of(named, PATH, None).num_classes == 3


def test_rows_get_the_pictures_and_classes_of_their_ids() -> None:
    found = images_of(features([700, 3, 12]), PATH, DIGITS)
    assert found.targets is not None and found.dataset == "digits"
    assert found.targets.tolist() == ARRAYS.train_targets[[700, 3, 12]].tolist()
    np.testing.assert_array_equal(found.picture(1), ARRAYS.train_images[3])
    assert found.num_classes == 10 and found.files is None


def wrong_targets() -> np.ndarray:
    targets = ARRAYS.train_targets[:3].copy()
    targets[0], targets[1] = -1, (targets[1] + 1) % 10
    return targets


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (features([0, 1297]), "features file f.npz: id 1297 is none of this data set"),
        (features(["a.jpg"]), "file names such as 'a.jpg'"),
        (features([0], dataset="cifar10"), "is of dataset cifar10, but dataset is digits"),
        (features([0, 1, 2], targets=wrong_targets()), r"gives id 1 the class .* \(1 such ids\)"),
    ],
)
def test_features_of_another_data_set(given: Features, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        images_of(given, PATH, DIGITS)


def test_features_that_lack_images_are_refused_with_the_count_and_the_first() -> None:
    count = len(ARRAYS.train_targets)
    refuse_gaps(features(range(count)), PATH, DIGITS)
    some = [i for i in range(count) if i not in (3, 12, 700)]
    with pytest.raises(
        SettingsError, match=rf"lacks 3 of the {count} training images.*\(3, 12, 700\)"
    ):
        refuse_gaps(features(some), PATH, DIGITS)
    with pytest.raises(SettingsError, match=rf"lacks {count - 8} of.*\(8, 9, 10, 11, 12, \.\.\.\)"):
        refuse_gaps(features(range(8)), PATH, DIGITS)
