"""Images by position and by file name."""

import numpy as np
import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.data.image_names import ImageIds

NAMED = ImageIds(3, ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg"))


def test_positions_and_names_both_work() -> None:
    assert NAMED.positions(np.array([2, 0]), "f").tolist() == [2, 0]
    assert NAMED.positions(np.array(["dog/1.jpg", "2.jpg"]), "f").tolist() == [2, 1]
    assert ImageIds(5).positions(np.array([4], dtype=np.int32), "f").dtype == np.int64


@pytest.mark.parametrize(
    ("images", "ids", "message"),
    [
        (ImageIds(3), [0, 3, 9], r"f: id 3 is none .* 3 training images \(0 to 2\); 2 such ids"),
        (ImageIds(3), [-1], "id -1 is none"),
        (ImageIds(3), ["a.jpg"], "file names such as 'a.jpg', but the images .* have none"),
        (NAMED, ["cow/1.jpg"], "no training image is called 'cow/1.jpg'; another data set"),
        (NAMED, ["1.jpg"], "several images are called '1.jpg'"),
        (NAMED, ["2.jpg", "cat/2.jpg"], "two of its file names mean the same image"),
    ],
)
def test_ids_of_another_data_set(images: ImageIds, ids: list[object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        images.positions(np.array(ids), "f")
