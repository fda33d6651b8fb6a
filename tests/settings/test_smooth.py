"""Settings of the smooth weight: shapes, ranges, and what goes with what."""

from pathlib import Path

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings import config_sha256, differing_keys, load_settings
from usb_ext.settings.algorithms import bases_with_threshold
from usb_ext.settings.smooth import exponent_of

CONFIG = Path(__file__).parents[2] / "config"
SMOOTH: dict[str, object] = {"algorithm": "smoothfixmatch"}


def refusal(**given: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings({**SMOOTH, **given})
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "mu"), [("linear", 1.0), ("sq", 2.0), ("sqrt", 0.5), (3, 3.0), (0.25, 0.25)]
)
def test_a_shape_is_its_number(given: object, mu: float) -> None:
    by_name = load_settings({**SMOOTH, "smooth_exponent": given}).settings
    by_number = load_settings({**SMOOTH, "smooth_exponent": mu}).settings
    assert by_name.smooth_exponent == mu
    assert config_sha256(by_name) == config_sha256(by_number)
    assert exponent_of("0.7") == 0.7


@pytest.mark.parametrize("value", [0, -1, "cubic", True, float("inf"), [1.0]])
def test_other_shapes_are_refused_with_what_is_allowed(value: object) -> None:
    text = refusal(smooth_exponent=value)
    assert "smooth_exponent" in text and "linear, sq, sqrt" in text and "above 0" in text


@pytest.mark.parametrize("value", [1.0, 1.5, -0.1])
def test_tau_lies_from_0_to_below_1(value: float) -> None:
    assert "p_cutoff" in refusal(p_cutoff=value)
    if value == 1.0:
        assert load_settings({"algorithm": "fixmatch", "p_cutoff": 1.0})
    assert load_settings({**SMOOTH, "p_cutoff": 0.0})


@pytest.mark.parametrize("algorithm", ["smoothfixmatch", "smoothpseudolabel", "weak_strong"])
def test_softmatch_has_no_threshold_and_the_bases_that_have_are_named(algorithm: str) -> None:
    given = {"algorithm": algorithm, "base": "softmatch", "extensions": ["smooth_weight"]}
    text = refusal(**given)
    assert "softmatch has none" in text
    assert all(base in text for base in bases_with_threshold())
    assert load_settings({**SMOOTH, "base": "softmatch", "smooth_weight": False})


@pytest.mark.parametrize(
    ("name", "value"),
    [("lambda_phi", 0.01), ("ulb_loss_ratio", "calibrate")],
)
@pytest.mark.parametrize(
    "given", [{"algorithm": "fixmatch"}, {"smooth_weight": False}, {"algorithm": "comatch"}]
)
def test_what_asks_for_the_weight_is_refused_without_it(
    name: str, value: object, given: dict[str, object]
) -> None:
    text = refusal(**{**given, name: value})
    assert f"{name} is" in text and "smooth_weight" in text and "smoothfixmatch" in text


def test_a_baseline_runs_from_the_same_file() -> None:
    file = {
        "smooth_exponent": "sq",
        "lambda_phi": 0.0,
        "calibration_iter": 10,
        "calibration_share": 0.5,
    }
    assert load_settings({**file, "algorithm": "fixmatch", "ulb_loss_ratio": 1.0})
    for path in sorted(CONFIG.glob("smoothfixmatch_*.yaml")):
        for baseline in ("fixmatch", "flexmatch", "freematch"):
            assert load_settings(path, {"algorithm": baseline, "ulb_loss_ratio": 1.0})


def test_limit_of_the_factor_loss() -> None:
    """lambda_u (1 - tau) / s lies between 0.05 (s = 1) and 0.0526 (s = tau) for tau 0.95."""
    assert load_settings({**SMOOTH, "p_cutoff": 0.95, "lambda_phi": 0.0526})
    text = refusal(p_cutoff=0.95, lambda_phi=0.0527)
    assert "0.05263" in text and "0.05 at s = 1" in text
    assert load_settings({**SMOOTH, "p_cutoff": 0.95, "lambda_phi": 0.1, "ulb_loss_ratio": 2.0})
    assert load_settings({**SMOOTH, "p_cutoff": 0.0, "lambda_phi": 9.0})


def test_the_factor_loss_needs_a_gradient_with_a_bound() -> None:
    assert "use_cat: True" in refusal(lambda_phi=0.01, use_cat=False)
    assert load_settings({"algorithm": "smoothpseudolabel", "lambda_phi": 0.01, "use_cat": False})
    assert "no bound" in refusal(lambda_phi=0.01, smooth_exponent=0.4)
    assert load_settings({**SMOOTH, "lambda_phi": 0.01, "smooth_exponent": "sqrt"})


def test_calibration_settings_need_a_calibration() -> None:
    given = {"num_train_iter": 100, "ulb_loss_ratio": "calibrate"}
    assert load_settings({**SMOOTH, **given, "calibration_iter": 100, "calibration_share": 0.2})
    assert "calibration_iter is 101" in refusal(**given, calibration_iter=101)
    assert "calibration_share" in refusal(**given, calibration_share=0.0)
    assert "ulb_loss_ratio: got 'measure'" in refusal(ulb_loss_ratio="measure")


def test_a_measured_weight_is_what_calibrate_asked_for() -> None:
    asked = {**SMOOTH, "ulb_loss_ratio": "calibrate", "calibration_iter": 5}
    assert differing_keys({**SMOOTH, "ulb_loss_ratio": 1.37}, asked) == {}
    assert differing_keys(asked, {**SMOOTH, "ulb_loss_ratio": 1.37}) == {}
    assert set(differing_keys({**SMOOTH, "ulb_loss_ratio": 1.0}, {**SMOOTH})) == set()
    other = {**SMOOTH, "ulb_loss_ratio": 2.0}
    assert differing_keys({**SMOOTH, "ulb_loss_ratio": 1.37}, other) == {
        "ulb_loss_ratio": (1.37, 2.0)
    }


def test_adsh_has_thresholds_of_its_own() -> None:
    assert "adsh" in refusal(imb_algorithm="adsh")


def test_settings_at_none_change_no_hash() -> None:
    given = {"algorithm": "fixmatch", "num_labels": 40}
    names = ("smooth_weight", "calibration_iter", "calibration_share")
    plain = config_sha256(load_settings(given).settings)
    assert config_sha256(load_settings({**given, **dict.fromkeys(names)}).settings) == plain
