"""Declarations as classes of USB's: their names, any base under an algorithm, and the registry."""

import pytest

from usb_ext.methods.named import NAMED, algorithm_class, on_base, register
from usb_ext.methods.step.step import WeakStrong
from usb_ext.settings.algorithms import ALGORITHMS as DECLARED
from usb_ext.settings.algorithms import BASES
from usb_ext.upstream.usb import ALGORITHMS


def test_a_class_is_named_after_its_declaration_and_says_what_it_is() -> None:
    made = algorithm_class(DECLARED["influence_fixmatch"])
    assert made.__name__ == "InfluenceFixmatchStep" and issubclass(made, WeakStrong)
    assert made.declared is DECLARED["influence_fixmatch"]
    assert made.__doc__ == str(DECLARED["influence_fixmatch"])


@pytest.mark.parametrize("base", BASES)
def test_an_algorithm_keeps_its_extensions_on_any_base(base: str) -> None:
    alone, moved = on_base(base), on_base(base, NAMED["layermatch"])
    assert (alone.declared.base, alone.declared.extensions) == (base, ())
    assert moved.declared.base == base
    assert moved.declared.extensions == DECLARED["layermatch"].extensions
    assert NAMED["layermatch"].declared.base == "freematch"


def test_a_base_that_there_is_not() -> None:
    with pytest.raises(KeyError, match="nothing"):
        on_base("nothing")


def test_registering_again_changes_nothing_and_usbs_own_stay() -> None:
    register()
    before = dict(ALGORITHMS._dict)
    register()
    assert ALGORITHMS._dict == before
    assert all(ALGORITHMS[name] is made for name, made in NAMED.items())
    for name, base in BASES.items():
        ours = issubclass(ALGORITHMS[name], WeakStrong)
        assert ours is not base.in_usb, name
