"""Wishes about unlabelled images that a data set cannot fulfil are refused, and SVHN's `extra`."""

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings import config_sha256, load_settings

REDUCED = {"imbalance_class": 1, "imbalance_fraction": 0.1}
STL = {"dataset": "stl10", "img_size": 96}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (REDUCED, "imbalance_class is 1"),
        ({"ulb_num_labels": 100}, "ulb_num_labels is 100"),
        ({"ulb_num_labels": 101}, "ulb_num_labels is 101"),
        ({"ulb_imb_ratio": 10}, "ulb_imb_ratio is 10"),
    ],
)
@pytest.mark.parametrize(
    ("dataset", "why"),
    [
        ("stl10", "the classes of the unlabelled images of stl10 are not known"),
        ("imagenet", "USB splits imagenet itself"),
        ("semi_aves", "USB splits semi_aves itself"),
        ("imagenet127", "USB splits imagenet127 itself"),
    ],
)
def test_what_would_be_recorded_and_not_done_is_refused(
    dataset: str, why: str, given: dict[str, object], name: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"dataset": dataset, **given})
    text = str(caught.value)
    assert name in text and why in text and text.count("; ") == 1


def test_what_can_be_done_is_taken() -> None:
    assert load_settings({**STL, "lb_imb_ratio": 10, "num_labels": 150})
    assert load_settings({**REDUCED, "dataset": "cifar10"})
    own = {"lb_imb_ratio": 286, "ulb_imb_ratio": 286, "dataset": "imagenet127"}
    assert load_settings({**own, "num_classes": 127, "num_labels": 12810})
    with pytest.raises(SettingsError, match="lb_imb_ratio is 10, but USB splits imagenet itself"):
        load_settings({"dataset": "imagenet", "lb_imb_ratio": 10})


def test_svhn_without_extra() -> None:
    plain = load_settings({"dataset": "svhn"}).settings
    as_usb = load_settings({"dataset": "svhn", "svhn_extra": True}).settings
    without = load_settings({"dataset": "svhn", "svhn_extra": False}).settings
    assert plain == as_usb and without.svhn_extra is False
    assert config_sha256(plain) != config_sha256(without)
    with pytest.raises(SettingsError, match="svhn_extra is False, but dataset is cifar10"):
        load_settings({"dataset": "cifar10", "svhn_extra": False})
