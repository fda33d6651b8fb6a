"""Parameters as settings: what is given wins over the recipe of the kind, the data's own cannot be given."""

from typing import Any

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.estimator.recipe import RECIPES, RESERVED, settings_of
from usb_ext.settings import Settings

CALL: dict[str, Any] = {
    "features": 6, "side": None, "num_classes": 3, "num_labels": 12, "seed": 5, "verbose": False,
}  # fmt: skip


def made(given: dict[str, Any], others: dict[str, Any] | None = None, **call: Any) -> Settings:
    return settings_of({"algorithm": "fixmatch", **given}, others, **{**CALL, **call}).settings


def test_features_and_images_have_a_recipe_each() -> None:
    features, images = made({}), made({}, features=None, side=24)
    for name, value in RECIPES[True].items():
        assert getattr(features, name) == value
    for name, value in RECIPES[False].items():
        assert getattr(images, name) == value
    assert (features.feature_size, images.feature_size) == (6, None)
    assert images.img_size == 24
    for found in (features, images):
        assert (found.dataset, found.without_test, found.label_split) == ("arrays", True, "random")
        assert (found.num_labels, found.num_classes, found.seed) == (12, 3, 5)
        assert found.num_eval_iter == found.num_train_iter and found.num_threads is None


def test_what_is_given_wins() -> None:
    found = made({"lr": 0.5, "net": None, "num_train_iter": 7}, {"ema_m": 0.0, "num_val": 3})
    assert (found.lr, found.net, found.num_train_iter, found.ema_m) == (0.5, "mlp_256", 7, 0.0)
    assert found.num_labels == 9  # three of twelve are held out
    sized = made({"net": "wrn_10_1"}, {"img_size": 16}, features=None, side=24)
    assert sized.img_size == 16
    assert made({}, verbose=True).progress == "auto" and found.progress == "off"


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_what_follows_from_the_data_cannot_be_given(name: str) -> None:
    assert name in Settings.model_fields
    with pytest.raises(SettingsError, match=f"settings holds {name}, which follows"):
        made({}, {name: 1})


def test_a_wrong_number_of_steps_is_told_as_any_setting() -> None:
    with pytest.raises(SettingsError, match="num_train_iter: got 'many'"):
        made({"num_train_iter": "many"})
