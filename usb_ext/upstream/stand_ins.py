"""What USB imports at the top of its files and rarely uses, bound late and missed only when used.

aim, wandb, torchaudio, skimage, transformers, timm and progress each serve one hook, one kind of
data or one family of networks, yet `import semilearn` takes them all: half of its time, and its end
where one is broken. Within `loading.deferred_imports` their names bind a `DeferredModule` or
`DeferredName`, which at first use imports the real package or raises `MissingDependency`
(patches/source/B1-optional-imports).
"""

import contextlib
import functools
import importlib.util
import sys
from types import ModuleType
from typing import Any

from usb_ext.core.errors import UsbExtError

# Per package what of USB needs it, and what pip installs for it.
OPTIONAL = {
    "aim": ("AimHook (use_aim)", "aim"),
    "wandb": ("WANDBHook (use_wandb)", "wandb"),
    "torchaudio": ("strong augmentation of audio (sox_effects)", '"torch<2.9" "torchaudio<2.9"'),
    "skimage": ("the montage of MedMNIST", "scikit-image"),
    "transformers": ("every text or audio network and collator", "transformers"),
    "timm": ("every vision transformer", "timm"),
    "progress": ("the progress bar of Trainer and CoSSL", "progress"),
}
# Modules that USB names and that have moved: the old names warn, and will go.
MOVED = {"timm.models.layers": "timm.layers", "transformers.file_utils": "transformers.utils"}
# What a broken install raises (RuntimeError: torchaudio; ValueError, TypeError: binary mismatch).
BROKEN = (ImportError, RuntimeError, OSError, AttributeError, TypeError, ValueError)
deferring: set[str] = set()  # packages that get deferred objects now, while semilearn loads
_failures: dict[str, str] = {}  # why the last import of a package failed


class MissingDependency(UsbExtError, ImportError):
    """A package that USB needs for what was just asked is absent or does not import."""

    exit_code = 3


class DeferredName:
    """What `from package import name` bound: stands for the real object, fetched when used."""

    def __init__(self, module: str, name: str) -> None:
        self._real = functools.cache(functools.partial(_real_name, module, name))

    def __getattr__(self, attribute: str) -> Any:
        _refuse_probe(attribute)
        return getattr(self._real(), attribute)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._real()(*args, **kwargs)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._real(),)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._real())


class DeferredModule(ModuleType):
    """What `import package` bound: gives `DeferredName`s while semilearn loads, then the real."""

    def __getattr__(self, attribute: str) -> Any:
        _refuse_probe(attribute)
        if sys.modules.get(self.__name__) is self:
            return DeferredName(self.__name__, attribute)
        return getattr(import_real(self.__name__), attribute)


def import_real(name: str) -> ModuleType:
    """Import module `name` itself, or raise `MissingDependency` with the reason and the remedy."""
    package = name.partition(".")[0]
    if package in deferring:  # used while semilearn is being imported: real from now on
        forget(package)
    try:
        if not _installed(package):
            raise ModuleNotFoundError("not installed")
        if package == "transformers" and "transformers.audio_utils" not in sys.modules:
            _hide_broken_torchaudio()
        module = importlib.import_module(MOVED.get(name, name))
    except BROKEN as error:
        if package not in sys.modules:
            forget(package)
        raise _missing(package, error) from error
    _failures.pop(package, None)
    return module


def forget(*packages: str) -> None:
    """Take all modules of `packages` out of `sys.modules`, and answer for them no more."""
    deferring.difference_update(packages)
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]


def bridged(probe: bool = False) -> dict[str, str]:
    """Per package "real", "deferred" (installed, not used yet) or "stand-in: <reason>".

    With `probe` each is imported now (seconds), which leaves none at "deferred".
    """
    states = {}
    for package in OPTIONAL:
        with contextlib.suppress(MissingDependency):
            _ = import_real(package) if probe else None
        reason = _failures.get(package) if _installed(package) else "not installed"
        found = "real" if package in sys.modules else "deferred"
        states[package] = f"stand-in: {reason}" if reason else found
    return states


def _installed(package: str) -> bool:
    with contextlib.suppress(ImportError, ValueError):
        # Without a place of origin it is only a folder of that name, such as ./wandb with its runs.
        return getattr(importlib.util.find_spec(package), "origin", None) is not None
    return sys.modules.get(package) is not None


def _missing(package: str, error: BaseException) -> MissingDependency:
    needed_by, requirement = OPTIONAL[package]
    while error.__cause__:
        error = error.__cause__
    _failures[package] = reason = f"{type(error).__name__}: {error}".splitlines()[0]
    text = f"{needed_by} in USB needs {package}, which cannot be imported ({reason})"
    return MissingDependency(f"{text}: pip install --upgrade {requirement}", name=package)


def _real_name(module: str, name: str) -> Any:
    try:
        return getattr(import_real(module), name)
    except BROKEN as error:
        raise _missing(module.partition(".")[0], error) from error


def _hide_broken_torchaudio() -> None:
    """transformers takes any torchaudio that is installed and fails with it where it is broken."""
    try:
        import_real("torchaudio")
    except MissingDependency:
        sys.modules["torchaudio"] = None  # type: ignore[assignment]
        with contextlib.suppress(*BROKEN):
            asked = importlib.import_module("transformers.utils.import_utils")
            asked.is_torchaudio_available.cache_clear()  # somebody may have asked before
            importlib.import_module("transformers.audio_utils")  # finds none, and remembers
        del sys.modules["torchaudio"]


def _refuse_probe(attribute: str) -> None:
    """Looking for a protocol (`__wrapped__`, ...) must import nothing."""
    if attribute.startswith("__") and attribute != "__version__":
        raise AttributeError(attribute)
