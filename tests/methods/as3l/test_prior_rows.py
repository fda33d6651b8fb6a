"""Which prior pseudo-label a run's unlabelled image gets."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.data.image_names import ImageIds
from usb_ext.data.prepared import Prepared
from usb_ext.data.prior_file import Prior, write_prior
from usb_ext.methods.as3l.prior import prior_of_run

NONE = np.empty(0, np.int64)


def args(path: Path, data: Any) -> Namespace:
    parts = Namespace(data=data)
    return Namespace(parts=parts, prior_file=str(path), num_classes=2, dataset="pets")


def test_rows_are_in_the_order_of_the_unlabelled_images(tmp_path: Path) -> None:
    names = ("a.jpg", "b.jpg", "c.jpg")
    values = np.array([[1, 0], [0, 1], [0.25, 0.75]], dtype=np.float32)
    write_prior(tmp_path / "p.npz", Prior(values, np.array(names), ("cat", "dog")))
    positions, ids = np.array([2, 0]), ImageIds(3, names)
    data = Prepared({}, NONE, {}, ("dog", "cat"), positions=positions, ids=ids)
    found = prior_of_run(args(tmp_path / "p.npz", data))
    assert found.tolist() == [[0.75, 0.25], [0.0, 1.0]]


@pytest.mark.parametrize("data", [None, Prepared({}, NONE, {})])
def test_images_that_cannot_be_told_apart(tmp_path: Path, data: Any) -> None:
    with pytest.raises(SettingsError, match="pets apart, .*dataset: imagefolder"):
        prior_of_run(args(tmp_path / "p.npz", data))
    with pytest.raises(SettingsError, match="imagefolder"):
        prior_of_run(Namespace(prior_file="p.npz", dataset="pets", num_classes=2))
