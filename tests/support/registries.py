"""What a user adds to the registries, forgotten again, as in a process of its own."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from usb_ext.data import sets
from usb_ext.methods.step.registry import EXTENSIONS, RULES
from usb_ext.settings import algorithms, plugin
from usb_ext.upstream.usb import ALGORITHMS


@contextmanager
def forgotten() -> Iterator[None]:
    """Bases, extensions, data sets and plugins that are added inside are gone afterwards."""
    tables: tuple[dict[str, Any], ...] = (
        algorithms.BASES, algorithms.EXTENSIONS, RULES.made, EXTENSIONS.made, sets.ADDED, ALGORITHMS._dict,
        plugin.IMPORTED,
    )  # fmt: skip
    lists = (sets.OWN, sys.path)
    known, own = [dict(table) for table in tables], [list(one) for one in lists]
    try:
        yield
    finally:
        for table, before in zip(tables, known, strict=True):
            table.clear()
            table.update(before)
        for one, before_it in zip(lists, own, strict=True):
            one[:] = before_it
        for name in [name for name in sys.modules if name.startswith("usb_ext_plugin_")]:
            del sys.modules[name]
