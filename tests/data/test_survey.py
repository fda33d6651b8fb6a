"""What a folder cannot give is refused before any image is decoded."""

from pathlib import Path

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.data.folder_scan import FolderScan, Listing
from usb_ext.data.survey import check_classes
from usb_ext.settings import load_settings

GIVEN = {"dataset": "imagefolder", "num_classes": 2, "num_labels": 2}


def scan(*targets: int) -> FolderScan:
    names = tuple(f"train/x/{n}.png" for n in range(len(targets)))
    classes = ("cat", "dog")
    return FolderScan(
        Path("pets"),
        classes,
        Listing(names, targets),
        Listing((), ()),
        from_folders=frozenset(classes),
    )


@pytest.mark.parametrize(
    "asked",
    [
        {"ulb_num_labels": 2},
        {"ulb_num_labels": 2, "ulb_imb_ratio": 10},
        {"imbalance_class": 1, "imbalance_fraction": 0.1},
    ],
)
def test_classes_that_nobody_knows_cannot_be_cut(asked: dict[str, object]) -> None:
    """Images without a class were all served, and the record said that a class was cut."""
    settings = load_settings({**GIVEN, **asked}).settings
    check_classes(settings, scan(0, 0, 1, 1))
    name = next(iter(asked))
    told = f"{name} is .*but the classes of 3 images of pets are not known.*leave it out"
    with pytest.raises(SettingsError, match=told):
        check_classes(settings, scan(0, 0, 1, 1, -1, -1, -1))
    check_classes(load_settings(GIVEN).settings, scan(0, 1, -1))
