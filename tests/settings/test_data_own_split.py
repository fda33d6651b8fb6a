"""Data sets whose labelled part is not drawn evenly per class."""

import pytest

from usb_ext.settings.data import has_own_split


@pytest.mark.parametrize(
    ("dataset", "own"),
    [
        ("imagenet", True),
        ("imagenet127", True),
        ("semi_aves", True),
        ("semi_aves_out", True),
        ("fsdnoisy", True),
        ("cifar10", False),
        ("stl10", False),
        ("imagefolder", False),
    ],
)
def test_data_sets_with_a_split_of_their_own(dataset: str, own: bool) -> None:
    assert has_own_split(dataset) is own
