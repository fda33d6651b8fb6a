"""Which algorithm takes which base, extensions and switches; what works instead loads."""

from itertools import product

import pytest
from pydantic import ValidationError

from usb_ext.core.errors import SettingsError
from usb_ext.settings import load_settings
from usb_ext.settings.algorithms import (
    ALGORITHMS,
    BASES,
    EXTENSIONS,
    bases_with_threshold,
    carriers,
    declared_by,
    takes_any_base,
)
from usb_ext.settings.step import StepSettings

CARRIERS, CHOOSE_BASE = carriers(), takes_any_base()
FIXED_BASE = {name: one.base for name, one in ALGORITHMS.items() if not one.any_base}
OURS_ALONE = {name for name, base in BASES.items() if not base.in_usb}

HELD_OUT = {"num_val": 100, "influence_every": 10, "prior_file": "prior.npz"}
"""What influence weighting and prior labels cannot do without; the others leave it unused."""
OTHERS = ("comatch", "vat", "fullysupervised", "my_own")


def refusal(given: dict[str, object]) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(given)
    return str(caught.value)


def goes(algorithm: str, extension: str) -> bool:
    """Whether an extension goes on an algorithm: all but the smooth weight without a threshold."""
    return extension != "smooth_weight" or algorithm not in set(BASES) - set(bases_with_threshold())


@pytest.mark.parametrize(
    ("algorithm", "extension"), [pair for pair in product(CARRIERS, EXTENSIONS) if goes(*pair)]
)
def test_any_extension_goes_on_any_carrier(algorithm: str, extension: str) -> None:
    given = {"algorithm": algorithm, "extensions": [extension], "use_cat": False, **HELD_OUT}
    assert extension in load_settings(given).settings.active_extensions


@pytest.mark.parametrize("algorithm", OTHERS)
def test_other_algorithms_carry_none_and_are_told_which_do(algorithm: str) -> None:
    text = refusal({"algorithm": algorithm, "extensions": ["grad_relu"]})
    assert algorithm in text
    assert ("no unlabelled loss" in text) == (algorithm == "fullysupervised")
    for carrier in CARRIERS:
        assert carrier in text
    assert load_settings({"algorithm": algorithm}).settings.active_extensions == ()


@pytest.mark.parametrize(("algorithm", "base"), list(product(CHOOSE_BASE, BASES)))
def test_our_algorithms_take_any_base(algorithm: str, base: str) -> None:
    given = {"algorithm": algorithm, "base": base, **HELD_OUT}
    if all(goes(base, extension) for extension in ALGORITHMS[algorithm].extensions):
        assert load_settings(given).settings.active_base == base


def test_an_algorithm_named_after_its_base_keeps_it() -> None:
    for algorithm, base in FIXED_BASE.items():
        assert load_settings({"algorithm": algorithm, **HELD_OUT}).settings.active_base == base
        assert load_settings({"algorithm": algorithm, "base": base, **HELD_OUT})
        text = refusal({"algorithm": algorithm, "base": "dash", **HELD_OUT})
        assert f"base is dash but algorithm {algorithm} has its own rule" in text


def test_a_base_is_its_own() -> None:
    assert load_settings({"algorithm": "uda", "base": "uda"}).settings.active_base == "uda"
    text = refusal({"algorithm": "uda", "base": "dash"})
    assert "base is dash" in text
    assert "weak_strong" in text


@pytest.mark.parametrize("algorithm", OTHERS)
def test_other_algorithms_have_no_base(algorithm: str) -> None:
    assert "leave base out" in refusal({"algorithm": algorithm, "base": "fixmatch"})


@pytest.mark.parametrize(("extension", "value"), list(product(EXTENSIONS, [True, False])))
def test_a_switch_needs_the_part(extension: str, value: bool) -> None:
    text = refusal({"algorithm": "fixmatch", extension: value})
    assert f"{extension} is {value}" in text
    assert f"extensions: [{extension}]" in text
    given = {"algorithm": "fixmatch", "extensions": [extension], extension: value, **HELD_OUT}
    assert load_settings(given)
    for owner in declared_by(extension):
        settings = load_settings({"algorithm": owner, extension: value, **HELD_OUT}).settings
        assert (extension in settings.active_extensions) is value


def test_a_switch_on_an_algorithm_that_cannot_carry_the_part_names_one_that_has_it() -> None:
    text = refusal({"algorithm": "comatch", "grad_relu": False})
    assert "algorithm: layermatch" in text
    assert "extensions:" not in text


@pytest.mark.parametrize("algorithm", sorted(set(BASES) - OURS_ALONE - {"pseudolabel"}))
def test_usbs_own_class_of_a_base_carries_grad_relu_alone(algorithm: str) -> None:
    given: dict[str, object] = {"algorithm": algorithm, "step": "usb"}
    assert load_settings(given).settings.step == "usb"
    carried = load_settings({**given, "extensions": ["grad_relu"]}).settings
    assert carried.active_extensions == ("grad_relu",)
    assert "use_cat is False" in refusal({**given, "extensions": ["grad_relu"], "use_cat": False})
    imbalanced = {"extensions": ["grad_relu"], "imb_algorithm": "abc"}
    assert "leave imb_algorithm out" in refusal({**given, **imbalanced})
    assert "step: ours" in refusal({**given, "extensions": ["avg_clustering"]})


def test_usbs_pseudo_label_sends_its_rows_apart_and_carries_nothing() -> None:
    given = {"algorithm": "pseudolabel", "step": "usb", "extensions": ["grad_relu"]}
    assert "pseudolabel sends labelled and unlabelled rows" in refusal(given)


@pytest.mark.parametrize("algorithm", sorted({*CHOOSE_BASE, *FIXED_BASE, *OURS_ALONE}))
def test_usb_has_no_class_of_ours(algorithm: str) -> None:
    assert f"{algorithm} is ours" in refusal({"algorithm": algorithm, "step": "usb"})


def test_usbs_other_algorithms_run_with_either_step() -> None:
    for step in ("ours", "usb"):
        assert load_settings({"algorithm": "comatch", "step": step}).settings.step == step


def test_usbs_classes_divide_by_the_batch() -> None:
    mean = {"ulb_loss_mean": "selected"}
    assert "divides by the batch" in refusal({"algorithm": "fixmatch", "step": "usb", **mean})
    assert "divides by the batch" in refusal({"algorithm": "comatch", **mean})
    for algorithm in CARRIERS:
        settings = load_settings({"algorithm": algorithm, **mean, **HELD_OUT}).settings
        assert settings.ulb_loss_mean == "selected"


def test_prior_labels_and_their_file_go_together() -> None:
    assert "propagate" in refusal({"algorithm": "as3l"})
    assert "prior_file" in refusal({"algorithm": "fixmatch", "extensions": ["prior_label"]})
    assert load_settings({"algorithm": "flexmatch", "prior_file": "prior.npz"})  # a baseline
    without = load_settings({**HELD_OUT, "algorithm": "as3l", "prior_label": False}).settings
    assert without.active_extensions == () and without.active_base == "flexmatch"
    assert load_settings({"algorithm": "as3l", "prior_label": False}).settings.prior_file is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base", "comatch"),
        ("extensions", ["dropout"]),
        ("extensions", "grad_relu"),
        ("extensions", None),
        ("extensions", ["grad_relu", "grad_relu"]),
        ("ulb_loss_mean", "sum"),
        ("step", "theirs"),
    ],
)
def test_ranges(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        StepSettings.model_validate({name: value})


def test_a_set_of_extensions_has_one_order() -> None:
    forward = StepSettings.model_validate({"extensions": ["grad_relu", "avg_clustering"]})
    backward = StepSettings.model_validate({"extensions": ["avg_clustering", "grad_relu"]})
    assert forward == backward
    assert forward.extensions == ("grad_relu", "avg_clustering")


def test_no_extensions_are_an_empty_list() -> None:
    assert StepSettings.model_validate({"extensions": []}).extensions == ()


def test_extensions_on_usbs_class_of_an_algorithm_of_ours_are_refused_not_looked_up() -> None:
    with pytest.raises(SettingsError, match="step: usb needs an algorithm of USB's"):
        load_settings({"algorithm": "layermatch", "step": "usb", "extensions": ["grad_relu"]})
