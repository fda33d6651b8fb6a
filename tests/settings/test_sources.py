"""Defaults < YAML < command line, and what is said about the file."""

from pathlib import Path

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings import LoadedSettings, Settings, load_settings
from usb_ext.settings.sources import read_yaml


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_no_source_gives_the_defaults() -> None:
    assert load_settings() == LoadedSettings(Settings(), (), frozenset())
    assert load_settings(None, {}).settings == Settings()


def test_the_file_wins_over_defaults_and_the_command_line_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "lr: 0.1\nbatch_size: 32\n")
    settings = load_settings(path, {"lr": 0.2}).settings
    assert settings.lr == 0.2
    assert settings.batch_size == 32
    assert settings.momentum == Settings().momentum


def test_a_path_may_be_text_and_a_source_may_be_a_mapping(tmp_path: Path) -> None:
    path = write(tmp_path, "lr: 0.1\n")
    expected = load_settings(path)
    assert load_settings(str(path)) == expected
    assert load_settings(read_yaml(path)) == expected


def test_given_names_what_was_set(tmp_path: Path) -> None:
    path = write(tmp_path, "lr: 0.03\nclip: 0.0\noverwrite: True\n")
    assert load_settings(path, {"seed": 1}).given == {"lr", "clip", "seed"}


def test_the_arguments_are_left_as_they_are() -> None:
    source = {"overwrite": True, "lr": 0.1}
    overrides = {"seed": 3}
    load_settings(source, overrides)
    assert source == {"overwrite": True, "lr": 0.1}
    assert overrides == {"seed": 3}


def test_none_on_the_command_line_wins_over_the_file() -> None:
    assert load_settings({"imb_algorithm": "daso"}, {"imb_algorithm": None}).settings == Settings()


def test_overwrite_in_a_file_has_no_effect_and_is_said_once(tmp_path: Path) -> None:
    loaded = load_settings(write(tmp_path, "overwrite: True\n"))
    assert not loaded.settings.overwrite
    (warning,) = loaded.warnings
    assert "--overwrite" in warning


def test_overwrite_on_the_command_line_has_its_effect(tmp_path: Path) -> None:
    loaded = load_settings(write(tmp_path, "overwrite: True\n"), {"overwrite": True})
    assert loaded.settings.overwrite
    assert loaded.warnings == ()


def test_a_refused_overwrite_needs_no_warning(tmp_path: Path) -> None:
    path = write(tmp_path, "overwrite: True\nresume: True\n")
    loaded = load_settings(path, {"overwrite": False})
    assert not loaded.settings.overwrite
    assert loaded.settings.resume
    assert loaded.warnings == ()
    assert load_settings({"overwrite": False}).warnings == ()


def test_a_wrong_type_of_overwrite_in_a_file_is_still_an_error() -> None:
    with pytest.raises(SettingsError, match="overwrite: got 'yes'"):
        load_settings({"overwrite": "yes"})


def test_a_gpu_number_is_said_to_have_no_effect() -> None:
    (warning,) = load_settings({"gpu": 1}).warnings
    assert "device: cuda:1" in warning
    assert load_settings({"gpu": "None"}).warnings == ()


def test_relative_paths_stay_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "data_dir: ../data\nload_path: a/b.pth\n")
    monkeypatch.chdir(tmp_path)
    settings = load_settings(path.name).settings
    assert settings.data_dir == "../data"
    assert settings.load_path == "a/b.pth"


def test_a_checkpoint_that_is_not_there_is_no_matter_of_the_settings() -> None:
    settings = load_settings({"resume": True, "load_path": "/nowhere/latest_model.pth"}).settings
    assert settings.resume
    assert settings.load_path == "/nowhere/latest_model.pth"


def test_contradictions_are_settings_errors() -> None:
    with pytest.raises(SettingsError, match="epoch 3 does not divide"):
        load_settings({"num_train_iter": 10}, {"epoch": 3})


def test_keys_that_are_no_text_are_errors() -> None:
    with pytest.raises(SettingsError, match="key"):
        load_settings({1: 2})  # type: ignore[dict-item]


def test_an_empty_path_is_not_the_defaults() -> None:
    with pytest.raises(SettingsError):
        load_settings("")


def test_settings_error_has_the_exit_code_of_bad_settings() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"lr": "fast"})
    assert caught.value.exit_code == 2


def test_dumped_settings_are_a_source() -> None:
    settings = load_settings({"lr": 0.1, "extensions": ["grad_relu"], "amp": True}).settings
    again = load_settings(settings.model_dump(), {"seed": 5})
    assert again.settings.extensions == ("grad_relu",)
    assert (again.settings.seed, again.settings.amp) == (5, "fp16")
    assert again.warnings == ()
    assert load_settings(settings.model_dump(mode="json")).settings == settings
