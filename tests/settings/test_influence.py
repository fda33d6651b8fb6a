"""Influence weighting's settings: the paper's numbers, and contradictions with their remedies."""

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings import load_settings
from usb_ext.settings.algorithms import EXTENSIONS
from usb_ext.settings.influence import InfluenceSettings, mask_of, scope_of

GIVEN: dict[str, object] = {"algorithm": "influence_uda", "num_val": 100, "num_train_iter": 200}


def refusal(**changed: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings({**GIVEN, **changed})
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_the_numbers_are_the_papers() -> None:
    """Algorithm 1 and Table 3: N = 100, eta = 0.01; Sec. 4.4: 320 validation images."""
    s = InfluenceSettings()
    assert (s.influence_every, s.influence_lr, s.influence_val_batch) == (100, 0.01, 320)
    assert (s.influence_optimizer, s.influence_weights) == ("m_adam", "per_example")


@pytest.mark.parametrize(
    ("inverse", "given", "scope"),
    [
        ("auto", None, "head"), ("exact", None, "head"), ("cg", None, "head"),
        ("neumann", None, "last_block"), ("identity", None, "network"),
        ("neumann", "head", "head"), ("identity", "last_block", "last_block"),
    ],
)  # fmt: skip
def test_which_parameters_an_inverse_sees(inverse: str, given: str | None, scope: str) -> None:
    assert scope_of(inverse, given) == scope
    assert load_settings({**GIVEN, "influence_inverse": inverse, "influence_params": given})


@pytest.mark.parametrize("changed", [{"num_val": 0}, {"num_val": None}])
def test_without_validation_images_there_is_no_influence(changed: dict[str, object]) -> None:
    text = refusal(**changed)
    assert f"num_val is {changed['num_val']}" in text and "num_val: 100" in text
    assert load_settings({**GIVEN, **changed, "influence": False})
    assert load_settings({**GIVEN, "num_val": None, "val_index_file": "val.json"})


def test_a_validation_set_is_drawn_or_listed() -> None:
    text = refusal(val_index_file="val.json")
    assert "num_val is 100 and val_index_file is 'val.json'" in text
    baseline = {"algorithm": "uda", "num_val": 100}  # the same images held out of a baseline
    assert load_settings(baseline).settings.num_val == 100


@pytest.mark.parametrize("inverse", ["auto", "exact", "cg"])
def test_a_solved_hessian_is_the_heads(inverse: str) -> None:
    text = refusal(influence_inverse=inverse, influence_params="network")
    assert f"influence_inverse {inverse} is for the head alone" in text and "neumann" in text


def test_an_update_must_come_before_the_end() -> None:
    assert "influence_every is 500 but num_train_iter is 200" in refusal(influence_every=500)


def test_one_weight_has_no_file() -> None:
    text = refusal(influence_weights="single", influence_weights_file="w.npz")
    assert "'w.npz'" in text and "per_example" in text


@pytest.mark.parametrize("algorithm", ["mixmatch", "comatch", "my_own"])
def test_an_algorithm_without_a_loss_for_each_example(algorithm: str) -> None:
    text = refusal(algorithm=algorithm, extensions=["influence"])
    assert f"one loss term of each unlabelled example, and the class of {algorithm}" in text
    assert "influence_fixmatch" in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("influence_every", 0), ("influence_lr", -0.1), ("influence_damping", -1.0),
        ("influence_inverse", "lu"), ("influence_weights", "both"), ("influence_weight_max", -1.0),
        ("influence_optimizer", "lion"), ("influence_neumann_rate", 0.0), ("num_val", -1),
        ("influence_cg_tol", 0.0),
    ],
)  # fmt: skip
def test_ranges(name: str, value: object) -> None:
    assert name in refusal(**{name: value})


def test_the_extension_declares_what_the_settings_hold() -> None:
    from usb_ext.methods.named import NAMED

    arguments = NAMED["influence"].get_argument()
    declared = {
        n: a.default for a in arguments if (n := a.name.lstrip("-")).startswith("influence_")
    }
    fields = {n: f.default for n, f in InfluenceSettings.model_fields.items()}
    assert declared == {n: v for n, v in fields.items() if n not in EXTENSIONS}


@pytest.mark.parametrize("mask", ["objective", "authors"])
def test_only_one_weight_for_all_has_a_mask(mask: str) -> None:
    text = refusal(influence_mask=mask)
    assert f"influence_mask is {mask}" in text and "influence_weights: single" in text
    assert load_settings({**GIVEN, "influence_weights": "single", "influence_mask": mask})


def test_the_mask_of_one_weight_is_the_objectives_unless_said() -> None:
    assert mask_of("single", None) == "objective" and mask_of("single", "authors") == "authors"
    assert mask_of("per_example", None) is None


@pytest.mark.parametrize("inverse", ["identity", "neumann"])
def test_a_damping_by_the_trace_is_the_heads(inverse: str) -> None:
    changed = {"influence_inverse": inverse, "influence_damping_scale": "trace"}
    text = refusal(**changed)
    assert "influence_damping_scale is trace" in text and "influence_params: head" in text
    assert load_settings({**GIVEN, **changed, "influence_params": "head"})
