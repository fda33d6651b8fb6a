"""Bases and extensions behind their declarations: made at first reading, a user's own beside ours."""

import pytest

from usb_ext.methods.step.base import BaseRule
from usb_ext.methods.step.extension import Extension
from usb_ext.methods.step.registry import (
    EXTENSIONS,
    RULES,
    Parts,
    add_extension,
    first_line,
    put_rule,
)
from usb_ext.settings import algorithms


def test_a_part_is_made_when_it_is_read_and_once() -> None:
    parts: Parts[BaseRule] = Parts(algorithms.BASES)
    assert list(parts) == list(algorithms.BASES) and len(parts) == len(algorithms.BASES)
    assert parts.made == {}
    assert parts["softmatch"] is parts["softmatch"] and list(parts.made) == ["softmatch"]
    with pytest.raises(KeyError, match="nothing"):
        parts["nothing"]


def test_a_part_says_of_itself_what_is_declared_of_it() -> None:
    for name, rule in RULES.items():
        assert all(getattr(rule, s) == getattr(algorithms.BASES[name], s) for s in rule.declared)
    for name, extension in EXTENSIONS.items():
        assert extension.name == name


class Own(BaseRule):
    """Counts every example.

    And more words.
    """

    name = "everything"


class Watcher(Extension):
    """Looks on."""

    name = "watcher"


def test_a_users_own_stand_behind_ours(registries: None) -> None:
    rule, extension = Own(), Watcher()
    put_rule(rule)
    add_extension(extension)
    assert RULES["everything"] is rule and list(RULES)[-1] == "everything"
    assert EXTENSIONS["watcher"] is extension and list(EXTENSIONS)[-1] == "watcher"
    declared = algorithms.BASES["everything"]
    assert (declared.help, declared.in_usb) == ("Counts every example.", False)
    assert algorithms.EXTENSIONS["watcher"].help == "Looks on."


@pytest.mark.parametrize("name", ["", "grad_relu"])
def test_an_extensions_name_must_be_new(registries: None, name: str) -> None:
    extension = Watcher()
    extension.name = name
    with pytest.raises(ValueError, match=f"extension name {name!r} is empty or taken"):
        add_extension(extension)


def test_the_first_line_is_what_is_said() -> None:
    assert first_line(Own) == "Counts every example."
    assert first_line(type("Silent", (), {})) == ""
