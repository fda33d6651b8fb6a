"""Errors: one line, each wrong setting with its value, what is allowed, the nearest name."""

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings import load_settings
from usb_ext.settings.model import DEAD, Settings
from usb_ext.settings.words import OTHER_NAMES, nearest, shown, unknown


def message(settings: dict[str, object]) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(settings)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_wrong_type_names_key_value_and_what_is_allowed() -> None:
    assert message({"lr": "abc"}) == "lr: got 'abc' (str), allowed: a finite number above 0"


def test_every_wrong_setting_has_its_own_clause_in_the_order_given() -> None:
    clauses = message({"epoch": 1.5, "optim": "adam", "lr": -1}).split("; ")
    assert clauses == [
        "epoch: got 1.5 (float), allowed: a whole number of at least 1",
        "optim: got 'adam' (str), allowed: one of SGD, AdamW",
        "lr: got -1 (int), allowed: a finite number above 0",
    ]


def test_a_setting_with_several_faults_has_one_clause() -> None:
    text = message({"extensions": ["a", "b"]})
    assert text.count("extensions") == 1
    assert "grad_relu, avg_clustering" in text


def test_an_alternative_type_does_not_double_the_clause() -> None:
    assert message({"clip": [1]}).count("clip") == 1


def test_our_own_checks_say_what_is_allowed() -> None:
    assert "cuda:N" in message({"device": "gpu"})
    assert "at most -1" in message({"lb_imb_ratio": 0})
    assert "at most once" in message({"extensions": ["grad_relu", "grad_relu"]})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("epochs", "epoch"),
        ("num_train_iters", "num_train_iter"),
        ("p_cuttoff", "p_cutoff"),
        ("Batch-Size", "batch_size"),
        ("datset", "dataset"),
        ("use_amp", "amp"),
        ("learning_rate", "lr"),
        ("t", "T"),
    ],
)
def test_the_nearest_name_is_suggested(written: str, meant: str) -> None:
    assert nearest(written) == meant
    assert unknown(written) == f"unknown setting {written}: did you mean {meant}?"


def test_a_name_that_is_near_to_none_points_to_the_help() -> None:
    assert nearest("xyzzy") is None
    assert "--help" in unknown("xyzzy")


def test_no_dead_key_is_suggested() -> None:
    for dead in DEAD:
        assert nearest(dead) not in DEAD


def test_other_names_lead_to_settings() -> None:
    assert set(OTHER_NAMES.values()) <= set(Settings.model_fields)
    assert not set(OTHER_NAMES) & set(Settings.model_fields)


def test_values_are_shown_with_their_type_and_cut() -> None:
    assert shown(None) == "None"
    assert shown(True) == "True (bool)"
    long = shown("x" * 500)
    assert len(long) < 80
    assert "..." in long


def test_unknown_and_wrong_settings_come_in_one_message() -> None:
    text = message({"epochs": 3, "seed": -1})
    assert "did you mean epoch?" in text
    assert "seed: got -1" in text
