"""Mean and deviation of a folder's images: those of the network, or ImageNet's; other sets have their own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from usb_ext.data.sets import load_arrays, open_source
from usb_ext.settings import load_settings

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = ((0.5,) * 3, (0.5,) * 3)


@pytest.mark.parametrize(
    ("net", "look"),
    [
        ("wrn_10_1", IMAGENET),
        ("timm/resnet10t", IMAGENET),
        ("timm/tf_efficientnet_lite0", HALVES),
        ("somewhere:net", IMAGENET),
    ],
)
def test_a_folder_is_normalised_as_the_network_was_made_for(
    tmp_path: Path, net: str, look: object
) -> None:
    for number, name in enumerate(("train/a/1.png", "train/b/1.png", "test/a/1.png")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(tmp_path / name)
    given = {"dataset": "imagefolder", "data_dir": str(tmp_path), "num_classes": 2, "num_labels": 2}
    settings = load_settings({**given, "net": net, "img_size": 8}).settings
    arrays: Any = load_arrays(settings, open_source(settings))
    assert (arrays.mean, arrays.std) == look


def test_digits_keep_their_own() -> None:
    looks = set()
    for net in ("wrn_10_1", "timm/tf_efficientnet_lite0"):
        settings = load_settings({"dataset": "digits", "net": net, "img_size": 16}).settings
        arrays: Any = load_arrays(settings, open_source(settings))
        looks.add((arrays.mean, arrays.std))
    assert len(looks) == 1 and looks != {HALVES}
