"""The settings of AS3L's stages: their defaults against the paper, and what decides what they make."""

import pytest

from usb_ext.config import Settings, config_sha256, load_settings, parse_flags, resolved_yaml
from usb_ext.config.as3l import AS3LSettings
from usb_ext.config.self_supervised import SelfSupervisedSettings
from usb_ext.config.stage_values import PRETRAIN, PROPAGATE, SELECT, differences, stage_values
from usb_ext.errors import SettingsError


def test_the_defaults_are_simsiams_for_cifar() -> None:
    s = Settings()
    assert (s.ssl_method, s.ssl_epochs, s.ssl_batch_size, s.ssl_lr) == ("simsiam", 800, 512, 0.06)
    assert (s.ssl_momentum, s.ssl_weight_decay) == (0.9, 5e-4)
    assert (s.ssl_projector_layers, s.ssl_projector_dim, s.ssl_predictor_dim) == (2, 2048, 512)
    assert (s.ssl_crop_min, s.ssl_jitter_p, s.ssl_jitter) == (0.2, 0.8, 0.4)
    assert (s.ssl_hue, s.ssl_grey_p) == (0.1, 0.2)


def test_the_defaults_are_those_of_as3ls_sections_4_and_5() -> None:
    s = Settings()
    assert (s.as3l_strategy, s.as3l_runs, s.as3l_tune_epochs) == ("as3l", 6, 40)
    assert (s.as3l_method, s.as3l_clusters) == ("seed_kmeans", None)


def test_they_change_no_hash_of_a_run() -> None:
    """A run's result depends on them through files alone."""
    for name in (*SelfSupervisedSettings.model_fields, *AS3LSettings.model_fields):
        assert name not in load_settings({}).given
    changed = {"ssl_lr": 1.0, "as3l_runs": 2, "as3l_clusters": [10, 20], "consistency_k": 3}
    assert config_sha256(load_settings(changed).settings) == config_sha256(Settings())


def test_a_list_of_clusters_by_flag_and_file_and_back() -> None:
    _, flags = parse_flags(["--as3l_clusters", "10", "20"])
    given = load_settings(None, flags).settings
    assert given == load_settings({"as3l_clusters": [10, 20]}).settings
    assert given.as3l_clusters == (10, 20)
    assert "as3l_clusters:\n- 10\n- 20" in resolved_yaml(given)
    with pytest.raises(SettingsError, match="each a whole number of at least 1"):
        load_settings({"as3l_clusters": [0]})


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


def test_what_decides_a_stage() -> None:
    assert {"net", "img_size", "ssl_seed", "ssl_epochs"} <= set(PRETRAIN)
    assert not {"seed", "save_dir", "ssl_name", "ssl_save_epochs", "num_labels", "lr"} & set(
        PRETRAIN
    )
    assert {"num_labels", "as3l_strategy", "as3l_runs"} <= set(SELECT) < set(PROPAGATE)
    assert not any(name.startswith("ssl_") for name in PROPAGATE)
    values = stage_values(load_settings({"as3l_clusters": [10]}).settings, PROPAGATE)
    assert values["as3l_clusters"] == [10]


def test_differences_are_told_by_name() -> None:
    then = {"a": 1, "b": 2, "gone": 0}
    assert differences(then, {"a": 1, "b": 3, "new": 4}) == (
        "b (2 then, 3 now), new (None then, 4 now), gone (0 then, None now)"
    )
    assert differences({"a": 1}, {"a": 1}) == ""
