"""One class that loses unlabelled images: which settings go together."""

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings import config_sha256, load_settings


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"imbalance_class": 3}, "imbalance_fraction is not set"),
        ({"imbalance_fraction": 0.5}, "imbalance_class is not set"),
        ({"imbalance_class": 10, "imbalance_fraction": 0.5}, "0 to 9"),
        ({"imbalance_class": -1, "imbalance_fraction": 0.5}, "imbalance_class: got -1"),
        ({"imbalance_class": "cat", "imbalance_fraction": 0.5}, "random"),
        ({"imbalance_class": 1, "imbalance_fraction": 1.1}, "imbalance_fraction: got 1.1"),
        (
            {"imbalance_class": 1, "imbalance_fraction": 0.5, "dataset": "imagenet"},
            "USB splits imagenet itself",
        ),
    ],
)
def test_imbalance_of_one_class(given: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(given)
    assert words in str(caught.value)


def test_what_works_loads_and_none_changes_no_hash() -> None:
    for one in (0, 9, "random"):
        assert load_settings({"imbalance_class": one, "imbalance_fraction": 0})
    given = {"imbalance_class": None, "imbalance_fraction": None}
    assert config_sha256(load_settings(given).settings) == config_sha256(load_settings({}).settings)
