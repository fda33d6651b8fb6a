"""usb_ext: the methods, engine and protocol that USB (semilearn) lacks.

import usb_ext
result = usb_ext.train("config/layermatch_digits_10.yaml", seed=1)
result.top1_last
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, overload

from usb_ext._version import __version__

if TYPE_CHECKING:
    from usb_ext.core.result import RunResult
    from usb_ext.data.arrays import ImageArrays
    from usb_ext.methods.step.base import BaseRule
    from usb_ext.methods.step.extension import Extension
    from usb_ext.papers.tables import PublishedNumber
    from usb_ext.settings import Settings

__all__ = [
    "__version__",
    "add_base",
    "add_dataset",
    "add_extension",
    "published",
    "register",
    "train",
]


def train(
    settings: str | Path | Mapping[str, object] | None = None, /, **overrides: object
) -> "RunResult":
    """Train one run; what `usb-ext train` does, from Python.

    Args:
        settings: a YAML file, or settings by name; None for the defaults.
        **overrides: settings that win over those.

    Returns:
        The record of the run, with the fields of its `result.json`.

    Raises:
        usb_ext.core.errors.UsbExtError: one of its kinds, with a one-line message.
    """
    from usb_ext.settings import load_settings
    from usb_ext.training.train import train as run_train

    return run_train(load_settings(settings, overrides))


def register() -> None:
    """Put our algorithms into USB's registry, for USB's own `get_algorithm` and API."""
    from usb_ext.methods.named import register as put

    put()


def add_extension(extension: "Extension") -> None:
    """Make an extension of your own known by its name, to the settings and to every base.

    Args:
        extension: an `usb_ext.methods.registry.Extension`.

    Raises:
        ValueError: if the name is taken or empty.
    """
    from usb_ext.methods.step.registry import put_extension

    put_extension(extension)


def add_base(rule: "BaseRule") -> None:
    """Make a base of your own known by its name, as a setting `algorithm` that carries extensions.

    Args:
        rule: its `name` is a name that no algorithm has yet.

    Raises:
        ValueError: if the name is taken or empty.
    """
    from usb_ext.methods.named import add_base as add

    add(rule)


def add_dataset(name: str, load: "Callable[[Settings], ImageArrays]") -> None:
    """Make a data set of your own known by its name, as a setting `dataset`.

    Args:
        name: one that no data set has yet.
        load: called with the settings of a run, such as `img_size` and `data_dir`; gives the images.

    Raises:
        ValueError: if the name is taken or empty.
    """
    from usb_ext.data.sets import add_dataset as add

    add(name, load)


@overload
def published() -> list[str]: ...


@overload
def published(table: str) -> "list[PublishedNumber]": ...


def published(table: str | None = None) -> "list[str] | list[PublishedNumber]":
    """The numbers of the papers' tables.

    Args:
        table: a name such as `layermatch-1`; None lists the names.

    Returns:
        The names, or the cells of that table with method, data set, labels, mean, spread, n and source.

    Raises:
        usb_ext.core.errors.SettingsError: a table that is not there.
    """
    from usb_ext.papers.tables import read_table, table_names

    return table_names() if table is None else read_table(table)
