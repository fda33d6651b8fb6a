"""The algorithms of the declarations as classes of USB's, and a user's own bases and extensions beside them.

After `usb_ext.register()` USB's own `get_algorithm` and API find them.
"""

from dataclasses import replace

from usb_ext.methods.step.base import BaseRule
from usb_ext.methods.step.registry import put_rule
from usb_ext.methods.step.step import WeakStrong
from usb_ext.settings.algorithms import ALGORITHMS as DECLARED
from usb_ext.settings.algorithms import BASES, Algorithm
from usb_ext.upstream.usb import ALGORITHMS


def algorithm_class(declared: Algorithm) -> type[WeakStrong]:
    """The class that a declaration stands for.

    Args:
        declared: base, extensions and own defaults.

    Returns:
        A subclass of WeakStrong, named after it, such as `LayermatchStep`.
    """
    name = "".join(part.capitalize() for part in declared.name.split("_"))
    return type(f"{name}Step", (WeakStrong,), {"declared": declared, "__doc__": str(declared)})


NAMED: dict[str, type[WeakStrong]] = {
    name: algorithm_class(declared) for name, declared in DECLARED.items()
}


def on_base(base: str, algorithm: type[WeakStrong] = WeakStrong) -> type[WeakStrong]:
    """Our class for a base: that rule, and whatever extensions the settings ask for.

    Args:
        base: one of the bases.
        algorithm: one of ours, whose extensions and defaults stay; by default the base alone.

    Raises:
        KeyError: no such base.
    """
    declared = BASES[base]
    if algorithm is not WeakStrong:
        return algorithm_class(replace(algorithm.declared, base=base))
    return algorithm_class(Algorithm(base, declared.help, declared.paper, base=base))


def register() -> None:
    """Put our algorithms, and the bases that USB has none of, into USB's registry, once."""
    own = {name: on_base(name) for name, base in BASES.items() if not base.in_usb}
    for name, algorithm in {**NAMED, **own}.items():
        if name not in ALGORITHMS:
            ALGORITHMS[name] = algorithm


def add_base(rule: BaseRule) -> None:
    """Make a base of your own known by its name: a setting `algorithm` that carries extensions as ours do.

    Args:
        rule: its name is one that no algorithm has yet.

    Raises:
        ValueError: if the name is taken or empty.
    """
    register()
    if not rule.name or rule.name in ALGORITHMS:
        raise ValueError(f"base name {rule.name!r} is empty or taken")
    put_rule(rule)
    register()
