"""The settings of pre-training: SimSiam's for CIFAR, and values out of range."""

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings import Settings, load_settings


def test_the_defaults_are_simsiams_for_cifar() -> None:
    s = Settings()
    assert (s.ssl_method, s.ssl_epochs, s.ssl_batch_size, s.ssl_lr) == ("simsiam", 800, 512, 0.06)
    assert (s.ssl_momentum, s.ssl_weight_decay) == (0.9, 5e-4)
    assert (s.ssl_projector_layers, s.ssl_projector_dim, s.ssl_predictor_dim) == (2, 2048, 512)
    assert (s.ssl_crop_min, s.ssl_jitter_p, s.ssl_jitter) == (0.2, 0.8, 0.4)
    assert (s.ssl_hue, s.ssl_grey_p) == (0.1, 0.2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ssl_crop_min", 0.0),
        ("ssl_hue", 0.6),
        ("ssl_method", "mae"),
        ("ssl_batch_size", 0),
        ("ssl_temperature", 0.0),
        ("as3l_strategy", "best"),
        ("consistency_k", 0),
    ],
)
def test_values_out_of_range_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=f"{name}: got"):
        load_settings({name: value})


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(SettingsError, match="did you mean ssl_epochs"):
        load_settings({"ssl_epoch": 3})
