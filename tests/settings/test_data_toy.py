"""Points and the networks that take them."""

from typing import Any

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings import load_settings
from usb_ext.settings.data import POINT_NET, TOYS

POINTS: dict[str, Any] = {"dataset": "moons", "net": POINT_NET, "num_classes": 2, "num_labels": 10}


@pytest.mark.parametrize("dataset", TOYS)
@pytest.mark.parametrize("net", [POINT_NET, "my.module:network"])
def test_points_go_through_their_network_or_the_users(dataset: str, net: str) -> None:
    assert load_settings({**POINTS, "dataset": dataset, "net": net}).settings.toy_train == 1040


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"net": "wrn_28_2"}, "net is wrn_28_2, .* points of dataset moons; use net: mlp_100_100"),
        ({"dataset": "cifar10"}, "net is mlp_100_100, .* dataset is cifar10"),
        ({"toy_noise": -0.1}, "toy_noise: got -0.1"),
        ({"boundary_panels": 0}, "boundary_panels: got 0"),
    ],
)
def test_what_does_not_fit_is_named(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings({**POINTS, **changed})
