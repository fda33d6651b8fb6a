"""usb_ext: the methods, engine and protocol that USB (semilearn) lacks.

    import usb_ext

    result = usb_ext.train("layermatch_digits_10", seed=1)
    run = usb_ext.load_run(result.path)
    run.predict(["new.png"]).classes

What stands in `__all__` is public; other paths may move. A name is imported when it is first asked for, so
that `import usb_ext` costs nothing.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from usb_ext._version import __version__

if TYPE_CHECKING:
    from usb_ext.as3l.usb_hook import AS3LHook
    from usb_ext.core.errors import (
        DataMissing,
        Interrupted,
        RunFailed,
        SettingsError,
        UsbExtError,
    )
    from usb_ext.core.result import RunResult
    from usb_ext.data.arrays import ImageArrays
    from usb_ext.data.sets import add_dataset
    from usb_ext.inference.predict import Prediction
    from usb_ext.methods.influence.per_example.gradients import per_example_gradients
    from usb_ext.methods.named import add_base, register
    from usb_ext.methods.step.base import BaseRule, Weak
    from usb_ext.methods.step.extension import Extension
    from usb_ext.methods.step.registry import add_extension
    from usb_ext.methods.step.views import Views
    from usb_ext.papers.tables import published
    from usb_ext.settings import LoadedSettings, Settings, load_settings
    from usb_ext.training.load import TrainedRun, load_run
    from usb_ext.upstream.usb import Hook

__all__ = [
    "AS3LHook",
    "BaseRule",
    "DataMissing",
    "Extension",
    "Hook",
    "ImageArrays",
    "Interrupted",
    "LoadedSettings",
    "Prediction",
    "RunFailed",
    "RunResult",
    "Settings",
    "SettingsError",
    "TrainedRun",
    "UsbExtError",
    "Views",
    "Weak",
    "__version__",
    "add_base",
    "add_dataset",
    "add_extension",
    "load_run",
    "load_settings",
    "per_example_gradients",
    "published",
    "register",
    "train",
]

_MODULES = {
    "as3l.usb_hook": ("AS3LHook",),
    "core.errors": ("DataMissing", "Interrupted", "RunFailed", "SettingsError", "UsbExtError"),
    "core.result": ("RunResult",),
    "data.arrays": ("ImageArrays",),
    "data.sets": ("add_dataset",),
    "inference.predict": ("Prediction",),
    "methods.influence.per_example.gradients": ("per_example_gradients",),
    "methods.named": ("add_base", "register"),
    "methods.step.base": ("BaseRule", "Weak"),
    "methods.step.extension": ("Extension",),
    "methods.step.registry": ("add_extension",),
    "methods.step.views": ("Views",),
    "papers.tables": ("published",),
    "settings": ("LoadedSettings", "Settings", "load_settings"),
    "training.load": ("TrainedRun", "load_run"),
    "upstream.usb": ("Hook",),
}
"""What type checkers read above, for Python: modules, and the names that are taken from each."""

_HOME = {name: module for module, names in _MODULES.items() for name in names}


def train(
    settings: str | Path | Mapping[str, object] | None = None, /, **overrides: object
) -> "RunResult":
    """Train one run; what `usb-ext train` does, from Python.

    Args:
        settings: a YAML file, the name of one that comes with the package (`usb-ext configs` lists them), or
            settings by name; None for the defaults.
        **overrides: settings that win over those.

    Returns:
        The record of the run, with the fields of its `result.json`.

    Raises:
        UsbExtError: one of its kinds, with a one-line message.
    """
    from usb_ext.as3l.driver import with_stages
    from usb_ext.settings import load_settings
    from usb_ext.training.train import train as run_train

    return run_train(with_stages(load_settings(settings, overrides)))


if not TYPE_CHECKING:  # where a name that is not there is to be an error

    def __getattr__(name: str) -> object:
        """A public name, imported now."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        return found


def __dir__() -> list[str]:
    """What is there, and what would be."""
    return sorted({*globals(), *__all__})
