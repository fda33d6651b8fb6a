"""The settings of AS3L's stages: their defaults against the paper, and what decides what they make."""

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings import Settings, config_sha256, load_settings, parse_flags, resolved_yaml
from usb_ext.settings.as3l import AS3LSettings, SelfSupervisedSettings


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
