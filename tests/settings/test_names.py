"""Bases and extensions: the names, LayerMatch's numbers, and agreement with the algorithms."""

import pytest
from pydantic import ValidationError

from usb_ext.settings import names
from usb_ext.settings.layermatch import ExtensionSettings


def test_layermatch_numbers_are_the_papers() -> None:
    """LayerMatch, Sec. 5.1: N = 2048, m = 0.999, alpha = 5e-4, w_ac = 1."""
    e = ExtensionSettings()
    assert (e.ac_reset_iter, e.ac_momentum, e.ac_lr, e.ac_loss_ratio) == (2048, 0.999, 5e-4, 1.0)


@pytest.mark.parametrize("reset", [1, 2048, 204800])
def test_the_resets_of_table_5_are_settings(reset: int) -> None:
    assert ExtensionSettings(ac_reset_iter=reset).ac_reset_iter == reset


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base", "comatch"),
        ("extensions", ["dropout"]),
        ("extensions", "grad_relu"),
        ("extensions", None),
        ("extensions", ["grad_relu", "grad_relu"]),
        ("grad_relu", "off"),
        ("ac_reset_iter", 0),
        ("ac_momentum", 1.1),
        ("ac_lr", -1e-4),
        ("ac_loss_ratio", -1),
        ("ulb_loss_mean", "sum"),
        ("step", "theirs"),
    ],
)
def test_ranges(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        ExtensionSettings.model_validate({name: value})


def test_a_set_of_extensions_has_one_order() -> None:
    forward = ExtensionSettings.model_validate({"extensions": ["grad_relu", "avg_clustering"]})
    backward = ExtensionSettings.model_validate({"extensions": ["avg_clustering", "grad_relu"]})
    assert forward == backward
    assert forward.extensions == ("grad_relu", "avg_clustering")


def test_no_extensions_are_an_empty_list() -> None:
    assert ExtensionSettings.model_validate({"extensions": []}).extensions == ()


def test_who_can_carry_what() -> None:
    assert len(set(names.BASES)) == len(names.BASES) == 9
    assert names.OURS_ALONE | set(names.OTHER_DEFAULTS) <= set(names.BASES)
    influence = {"influence", "influence_uda", "influence_fixmatch", "influence_pseudolabel"}
    ours = {"layermatch", "weak_strong", "smoothfixmatch", "smoothpseudolabel", "as3l"}
    assert set(names.CARRIERS) == {*names.BASES, *ours, *influence}
    assert {*names.DEFAULT_BASE.values(), *names.FIXED_BASE.values()} <= set(names.BASES)
    assert all(set(parts) <= set(names.EXTENSIONS) for parts in names.DECLARED.values())


def test_parts_are_the_declared_and_the_asked_for() -> None:
    assert names.parts_of("layermatch", ()) == ("grad_relu", "avg_clustering")
    assert names.parts_of("layermatch", ("grad_relu",)) == ("grad_relu", "avg_clustering")
    assert names.parts_of("fixmatch", ("avg_clustering",)) == ("avg_clustering",)
    assert names.parts_of("comatch", ()) == ()


@pytest.mark.parametrize(
    ("dataset", "own"),
    [
        ("imagenet", True),
        ("imagenet127", True),
        ("semi_aves", True),
        ("semi_aves_out", True),
        ("fsdnoisy", True),
        ("cifar10", False),
        ("stl10", False),
        ("imagefolder", False),
    ],
)
def test_data_sets_with_a_split_of_their_own(dataset: str, own: bool) -> None:
    assert names.has_own_split(dataset) is own


def test_the_names_are_those_of_the_algorithms() -> None:
    from usb_ext.methods.named import NAMED, OWN_BASES
    from usb_ext.methods.registry import EXTENSIONS, RULES, USB_RULES

    assert set(RULES) == set(names.BASES)
    assert set(USB_RULES) == set(names.BASES) - names.OURS_ALONE
    assert list(EXTENSIONS) == names.EXTENSIONS
    assert set(OWN_BASES) == names.OURS_ALONE
    assert all(algorithm.default_base == name for name, algorithm in OWN_BASES.items())
    assert set(NAMED) == {*names.CHOOSE_BASE, *names.FIXED_BASE}
    for name, algorithm in NAMED.items():
        assert algorithm.default_base == (names.DEFAULT_BASE | names.FIXED_BASE)[name]
        assert algorithm.default_extensions == names.DECLARED.get(name, ())
