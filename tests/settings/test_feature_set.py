"""Settings of a data set of features: names of networks, and what contradicts."""

from typing import Any

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings import Settings
from usb_ext.settings.feature_set import hidden_units, takes_vectors


@pytest.mark.parametrize(
    ("net", "units"),
    [("linear", ()), ("mlp_7", (7,)), ("mlp_100_100", (100, 100)), ("mlp_8_4_2", (8, 4, 2))],
)
def test_hidden_units_stand_in_the_name(net: str, units: tuple[int, ...]) -> None:
    assert takes_vectors(net)
    assert hidden_units(net) == units


@pytest.mark.parametrize(
    "net", ["mlp", "mlp_", "mlp_0", "mlp_8_", "linear_8", "wrn_10_1", "m:mlp_8"]
)
def test_other_names_are_no_networks_of_vectors(net: str) -> None:
    assert not takes_vectors(net)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"net": "linear"}, "needs feature_file"),
        ({"net": "wrn_10_1", "feature_file": "f"}, "does not take features; use net: linear"),
        ({"net": "linear", "feature_file": "f", "algorithm": "remixmatch"}, "no turned views"),
        (
            {"dataset": "moons", "feature_file": "f", "net": "linear", "num_classes": 2},
            "dataset is moons",
        ),
        ({"dataset": "digits", "feature_size": 3, "net": "wrn_10_1"}, "takes no vectors"),
        (
            {"feature_file": "f", "net": "wrn_10_1", "feature_transform": "power"},
            "net is wrn_10_1 and dataset features; leave it out",
        ),
        (
            {"dataset": "moons", "net": "mlp_8", "feature_transform": "power"},
            "dataset moons; leave",
        ),
        ({"dataset": "digits", "net": "mlp_8"}, "takes points or features, but dataset is digits"),
    ],
)
def test_contradictions(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings(**{"dataset": "features", **given})
