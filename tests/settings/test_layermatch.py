"""LayerMatch's numbers."""

import pytest
from pydantic import ValidationError

from usb_ext.core.errors import SettingsError
from usb_ext.settings import Settings
from usb_ext.settings.digest import config_sha256


def test_layermatch_numbers_are_the_papers() -> None:
    """LayerMatch, Sec. 5.1: N = 2048, m = 0.999, alpha = 5e-4, w_ac = 1."""
    e = Settings()
    assert (e.ac_reset_iter, e.ac_momentum, e.ac_lr, e.ac_loss_ratio) == (2048, 0.999, 5e-4, 1.0)


@pytest.mark.parametrize("reset", [1, 2048, 204800])
def test_the_resets_of_table_5_are_settings(reset: int) -> None:
    assert Settings(ac_reset_iter=reset).ac_reset_iter == reset


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("grad_relu", "off"),
        ("ac_reset_iter", 0),
        ("ac_momentum", 1.1),
        ("ac_lr", -1e-4),
        ("ac_loss_ratio", -1),
    ],
)
def test_ranges(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({name: value})


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"algorithm": "meanteacher"}, "USB's own class of meanteacher does not show its losses"),
        ({"algorithm": "fixmatch", "step": "usb"}, "USB's own class of fixmatch"),
        ({"algorithm": "fixmatch", "imb_algorithm": "abc"}, "USB's own class of fixmatch"),
        ({"dataset": "imagefolder", "without_test": True}, "of which there are none"),
    ],
    ids=str,
)
def test_what_cannot_be_looked_on_is_refused(given: dict[str, object], wanted: str) -> None:
    with pytest.raises(SettingsError, match=wanted):
        Settings.model_validate({**given, "log_mechanism": True})


def test_looking_on_decides_no_result() -> None:
    assert config_sha256(Settings()) == config_sha256(Settings(log_mechanism=True))
    assert Settings(algorithm="fixmatch", log_mechanism=True).log_mechanism
