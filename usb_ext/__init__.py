"""usb_ext: the methods, engine and protocol that USB (semilearn) lacks.

    import usb_ext

    result = usb_ext.train("layermatch_digits_10", seed=1)
    run = usb_ext.load_run(result.path)
    run.predict(["new.png"]).classes

What stands in `__all__` is public; other paths may move. A name is imported when it is first asked for, so
that `import usb_ext` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from usb_ext._version import __version__

if TYPE_CHECKING:
    from usb_ext.api import compare, load_run, load_settings, predict, train
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
    from usb_ext.estimator.classifier import SemiSupervisedClassifier
    from usb_ext.inference.predict import Prediction
    from usb_ext.methods.influence.per_example.gradients import per_example_gradients
    from usb_ext.methods.named import add_base, register
    from usb_ext.methods.step.base import BaseRule, Weak
    from usb_ext.methods.step.extension import Extension
    from usb_ext.methods.step.registry import add_extension
    from usb_ext.methods.step.views import Views
    from usb_ext.papers.tables import published
    from usb_ext.serving.predict import FilePredictions
    from usb_ext.settings import LoadedSettings, Settings
    from usb_ext.training.load import TrainedRun
    from usb_ext.upstream.usb import Hook

__all__ = [
    "AS3LHook",
    "BaseRule",
    "DataMissing",
    "Extension",
    "FilePredictions",
    "Hook",
    "ImageArrays",
    "Interrupted",
    "LoadedSettings",
    "Prediction",
    "RunFailed",
    "RunResult",
    "SemiSupervisedClassifier",
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
    "compare",
    "load_run",
    "load_settings",
    "per_example_gradients",
    "predict",
    "published",
    "register",
    "train",
]

_MODULES = {
    "api": ("compare", "load_run", "load_settings", "predict", "train"),
    "as3l.usb_hook": ("AS3LHook",),
    "core.errors": ("DataMissing", "Interrupted", "RunFailed", "SettingsError", "UsbExtError"),
    "core.result": ("RunResult",),
    "data.arrays": ("ImageArrays",),
    "data.sets": ("add_dataset",),
    "estimator.classifier": ("SemiSupervisedClassifier",),
    "inference.predict": ("Prediction",),
    "methods.influence.per_example.gradients": ("per_example_gradients",),
    "methods.named": ("add_base", "register"),
    "methods.step.base": ("BaseRule", "Weak"),
    "methods.step.extension": ("Extension",),
    "methods.step.registry": ("add_extension",),
    "methods.step.views": ("Views",),
    "papers.tables": ("published",),
    "serving.predict": ("FilePredictions",),
    "settings": ("LoadedSettings", "Settings"),
    "training.load": ("TrainedRun",),
    "upstream.usb": ("Hook",),
}
"""What type checkers read above, for Python: modules, and the names that are taken from each."""

_HOME = {name: module for module, names in _MODULES.items() for name in names}


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
