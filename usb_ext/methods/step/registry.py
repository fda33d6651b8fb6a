"""The bases and extensions behind their declarations (`settings/algorithms.py`): imported when asked for.

A user's own are declared from what their class says, and stand beside ours from then on.
"""

import inspect
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Generic, TypeVar

from usb_ext.methods.step.base import BaseRule
from usb_ext.methods.step.extension import Extension
from usb_ext.settings import algorithms

Part = TypeVar("Part")


class Parts(Mapping[str, Part], Generic[Part]):
    """One object a declaration, by name; reading makes it.

    Args:
        declared: a table of `settings/algorithms.py`.
    """

    def __init__(self, declared: Mapping[str, algorithms.Declared]) -> None:
        self.declared = declared
        self.made: dict[str, Part] = {}

    def __getitem__(self, name: str) -> Part:
        """The part of that name."""
        if name not in self.made:
            self.made[name] = self._make(self.declared[name])
        return self.made[name]

    def __iter__(self) -> Iterator[str]:
        """Names in the order of the declarations."""
        return iter(self.declared)

    def __len__(self) -> int:
        """How many are declared."""
        return len(self.declared)

    @staticmethod
    def _make(declaration: algorithms.Declared) -> Part:
        module, _, name = declaration.where.partition(":")
        part = getattr(import_module(f"{algorithms.METHODS}.{module}"), name)()
        for said in part.declared:
            setattr(part, said, getattr(declaration, said))
        return part  # type: ignore[no-any-return]


RULES: Parts[BaseRule] = Parts(algorithms.BASES)
EXTENSIONS: Parts[Extension] = Parts(algorithms.EXTENSIONS)


def put_rule(rule: BaseRule) -> None:
    """Declare a user's base.

    Args:
        rule: with a name that nothing has yet.
    """
    declared = {said: getattr(rule, said) for said in rule.declared}
    help_line = first_line(rule)
    algorithms.BASES[rule.name] = algorithms.Base(
        help=help_line,
        paper="",
        in_usb=False,
        one_batch=False,
        source=source_file(rule),
        **declared,
    )
    RULES.made[rule.name] = rule


def add_extension(extension: Extension) -> None:
    """Make an extension of your own known by its name, to the settings and to every base.

    Args:
        extension: its name is one that no extension has yet.

    Raises:
        ValueError: if the name is taken or empty.
    """
    name = extension.name
    if not name or name in EXTENSIONS:
        raise ValueError(f"extension name {name!r} is empty or taken")
    algorithms.EXTENSIONS[name] = algorithms.Extension(
        name, first_line(extension), "", source=source_file(extension)
    )
    EXTENSIONS.made[name] = extension


def first_line(documented: object) -> str:
    """The first line of what a class says of itself."""
    return (documented.__doc__ or "").strip().partition("\n")[0]


def source_file(part: object) -> str:
    """The file that a user's base or extension is written in; empty where Python does not know one.

    Args:
        part: the object.
    """
    try:
        return inspect.getsourcefile(type(part)) or ""
    except (TypeError, OSError):  # typed into an interpreter
        return ""
