"""The made name of a run's folder: another method, another folder."""

from pathlib import Path
from typing import Any

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings import load_settings, resolved_yaml
from usb_ext.settings.names import OPTIONS
from usb_ext.training.compose import algorithm_classes, resolved

DIGITS: dict[str, Any] = {"dataset": "digits", "num_labels": 10}


def name(file: dict[str, Any] | None = None, **flags: Any) -> str:
    return load_settings({**DIGITS, **(file or {})}, flags).settings.run_name


@pytest.mark.parametrize(
    ("given", "method"),
    [
        ({"algorithm": "fixmatch"}, "fixmatch"),
        ({"algorithm": "fixmatch", "extensions": ["grad_relu"]}, "fixmatch+grad_relu"),
        ({"algorithm": "fixmatch", "step": "usb"}, "fixmatch.usb"),
        ({"algorithm": "fixmatch", "imb_algorithm": "abc"}, "fixmatch+abc"),
        ({"algorithm": "layermatch"}, "layermatch"),
        ({"algorithm": "layermatch", "base": "freematch"}, "layermatch"),
        ({"algorithm": "layermatch", "grad_relu": False}, "layermatch-grad_relu"),
        ({"algorithm": "layermatch", "base": "uda"}, "layermatch.uda"),
        ({"algorithm": "weak_strong", "base": "uda", "extensions": ["avg_clustering"]},
         "weak_strong+avg_clustering.uda"),
        ({"algorithm": "comatch"}, "comatch"),
    ],
)  # fmt: skip
def test_parts_and_base_are_in_the_name(given: dict[str, Any], method: str) -> None:
    assert name(given) == f"{method}_digits_10_s0"
    assert name(**given) == f"{method}_digits_10_s0"


def test_seeds_are_in_the_name() -> None:
    assert name(seed=3, label_seed=3) == "layermatch_digits_10_s3"
    assert name(seed=3, label_seed=1) == "layermatch_digits_10_l1_s3"


def test_options_beside_a_file_are_in_the_name_and_those_of_the_file_are_its_recipe() -> None:
    fixmatch = {"algorithm": "fixmatch", "p_cutoff": 0.8}
    assert name(fixmatch) == name(fixmatch, p_cutoff=0.8, lr=0.1) == "fixmatch_digits_10_s0"
    assert name(fixmatch, p_cutoff=0.95) == "fixmatch_p_cutoff0.95_digits_10_s0"
    assert name({"algorithm": "fixmatch"}, p_cutoff=0.95) == "fixmatch_digits_10_s0"  # its default
    assert name({"algorithm": "uda"}, p_cutoff=0.8, T=0.5) == "uda_T0.5_digits_10_s0"


def test_many_options_are_a_digest_and_no_two_sets_of_them_share_a_name() -> None:
    many = {"T": 0.7, "p_cutoff": 0.9, "hard_label": False, "ulb_loss_ratio": 2.0}
    names = [name({"algorithm": "fixmatch"}, **{**many, "T": t}) for t in (0.7, 0.8)]
    assert len(set(names)) == 2 and all(n.startswith("fixmatch_4options-") for n in names)
    assert max(map(len, names)) < 50


def test_a_path_is_no_part_of_a_name() -> None:
    made = name({"algorithm": "as3l"}, prior_file="some/where/prior.npz")
    assert "/" not in made and made != name({"algorithm": "as3l"}, prior_file="other/prior.npz")


def test_every_option_of_a_method_makes_another_name() -> None:
    """Each flag, at a value that its range allows and that is not its default."""
    base = load_settings(DIGITS).settings
    defaults = resolved(base, algorithm_classes(base))
    tried = 0
    for option in OPTIONS:
        for value in (0.123, 7, True, "random", "moving_average", "exp", "selected", False):
            try:
                found = load_settings({**DIGITS}, {option: value}).settings
            except SettingsError:
                continue
            if getattr(found, option) != getattr(defaults, option):
                assert found.run_name != base.run_name, (option, value)
                tried += 1
                break
    assert tried > 30


def test_the_name_lives_through_the_resolved_file_and_other_seeds(tmp_path: Path) -> None:
    settings = load_settings({**DIGITS, "algorithm": "fixmatch"}, {"p_cutoff": 0.9}).settings
    whole = resolved(settings, algorithm_classes(settings))
    path = tmp_path / "config.yaml"
    path.write_text(resolved_yaml(whole))
    assert load_settings(path).settings.run_name == settings.run_name
    again = load_settings(path, {"seed": 1, "label_seed": 1, "T": 0.7}).settings
    assert again.run_name == "fixmatch_p_cutoff0.9_T0.7_digits_10_s1"


@pytest.mark.parametrize("file", sorted(Path("config").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_files_that_come_with_it_keep_their_short_names(file: Path) -> None:
    s = load_settings(file).settings
    method = "+".join([s.algorithm, *s.extensions])
    assert s.run_name == f"{method}_{s.dataset}_{s.num_labels}_s{s.seed}"
