"""For the page of the API: `usb_ext.train` is a function, though a script has the same name."""

from typing import Any

import griffe


class Public(griffe.Extension):
    """Puts back names of an `__init__.py` that a module of the same name has displaced."""

    def __init__(self) -> None:
        self.named: dict[str, griffe.Function | griffe.Alias] = {}

    def on_function_instance(self, *, func: griffe.Function, **_: Any) -> None:
        """Remember a function."""
        self._remember(func)

    def on_alias_instance(self, *, alias: griffe.Alias, **_: Any) -> None:
        """Remember an imported name."""
        self._remember(alias)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Put back what was displaced."""
        for name, member in list(pkg.members.items()):
            kept = self.named.get(member.path)
            if kept is not None and isinstance(member, griffe.Module):
                pkg.set_member(name, kept)

    def _remember(self, named: griffe.Function | griffe.Alias) -> None:
        if isinstance(named.parent, griffe.Module) and named.parent.is_init_module:
            self.named[named.path] = named
