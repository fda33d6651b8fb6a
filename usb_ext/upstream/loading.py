"""The one place where semilearn is imported: once, checked, with its optional parts deferred.

`load_semilearn` mends what would end or endanger the import on today's releases, and changes module
objects in memory only: no file of an installed package is written.
"""

import contextlib
import functools
import importlib
import importlib.abc
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.upstream import stand_ins
from usb_ext.upstream.release import REMEDY, check_release
from usb_ext.upstream.stand_ins import OPTIONAL, MissingDependency

# What USB 0.3.2 registers: 19 algorithms, 10 for imbalanced classes.
REGISTERED = """
adamatch comatch crmatch dash defixmatch fixmatch flexmatch freematch fullysupervised meanteacher
mixmatch pimodel pseudolabel remixmatch simmatch softmatch supervised uda vat
abc adsh cossl crest crest+ darp daso debiaspl saw tras""".split()
PIP_NAMES = {"sklearn": "scikit-learn", "PIL": "Pillow", "ruamel": "ruamel.yaml"}
PIP_NAMES["semilearn"] = "--force-reinstall --no-deps semilearn==0.3.2"


@functools.cache
def load_semilearn() -> ModuleType:
    """Import semilearn (once; later calls return it) with all its algorithms registered.

    A semilearn that was imported before, by whatever means, is taken as it is.

    Raises:
        SettingsError: USB is missing or not the release.
        MissingDependency: a package that USB cannot do without does not import.
        RunFailed: an algorithm did not register.
    """
    if "semilearn" not in sys.modules:
        check_release()
    try:
        with deferred_imports(), _amp_in_torch_cuda(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Importing from timm", FutureWarning)
            module = importlib.import_module("semilearn")
            _register_all()
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        remedy = f"pip install {PIP_NAMES.get(package, package)}"
        text = f"USB needs {error.name}, which is not there: {remedy}"
        raise MissingDependency(text, name=error.name) from error
    _read_settings_safely()
    return module


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers for the packages in `stand_ins.deferring` by a `DeferredModule`."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        ours = name.partition(".")[0] in stand_ins.deferring
        return ModuleSpec(name, self, is_package=True) if ours else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return stand_ins.DeferredModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: the real module runs at first use."""


@contextlib.contextmanager
def deferred_imports() -> Iterator[None]:
    """Within, imports of `OPTIONAL` bind deferred objects; after, `sys` shows no trace.

    A package that was imported before is left as it is, an entry None (a blocked import) put back.
    """
    blocked = {n: None for n in OPTIONAL if sys.modules.get(n, sys) is None}
    for name in blocked:
        del sys.modules[name]
    stand_ins.deferring.update(n for n in OPTIONAL if n not in sys.modules)
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        stand_ins.forget(*stand_ins.deferring)
        sys.modules.update(blocked)  # type: ignore[arg-type]


@contextlib.contextmanager
def _amp_in_torch_cuda() -> Iterator[None]:
    """Within, `torch.cuda.amp` has the two names that USB imports, should torch have none."""
    import torch

    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module("torch.cuda.amp")
    amp = sys.modules.get("torch.cuda.amp")
    if not (hasattr(amp, "GradScaler") and hasattr(amp, "autocast")):
        bridge: Any = ModuleType("torch.cuda.amp")
        bridge.GradScaler = functools.partial(torch.amp.GradScaler, "cuda")
        bridge.autocast = functools.partial(torch.amp.autocast, "cuda")
        sys.modules["torch.cuda.amp"] = bridge
    try:
        yield
    finally:
        sys.modules.pop("torch.cuda.amp", None)
        sys.modules.update({} if amp is None else {"torch.cuda.amp": amp})


def _register_all() -> None:
    """USB prints and goes on where an algorithm does not import; here the error goes on instead."""
    importlib.import_module("semilearn.datasets.collactors")  # USB imports it at its first use
    registry = importlib.import_module("semilearn.core.utils.registry")
    for package, names in registry.ALL_MODULES:
        for name in names:
            importlib.import_module(f"{package}.{name}")
    registered = {*registry.ALGORITHMS.keys(), *registry.IMB_ALGORITHMS.keys()}
    if absent := sorted(set(REGISTERED) - registered):
        raise RunFailed(f"USB did not register {', '.join(absent)}: {REMEDY}")


def over_write_args_from_file(args: Namespace, yml: str) -> None:
    """Set the settings of YAML file `yml` on `args`, as USB's function of that name does, safely.

    USB's own calls `ruamel.yaml.load` with the loader that runs code; 0.18 removed it
    (patches/source/B2-safe-yaml).
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if yml == "":
        return
    with open(yml, encoding="utf-8") as file:
        try:
            settings = YAML(typ="safe", pure=True).load(file)
        except YAMLError as error:
            raise SettingsError(f"{yml} is not plain YAML: {error}") from error
    if not isinstance(settings, dict):
        raise SettingsError(f"{yml} holds {type(settings).__name__}, not lines of key: value")
    for key, value in settings.items():
        setattr(args, key, value)


def _read_settings_safely() -> None:
    for module in [m for n, m in sys.modules.items() if n.partition(".")[0] == "semilearn"]:
        theirs = vars(module).get("over_write_args_from_file")
        if getattr(theirs, "__module__", None) == "semilearn.core.utils.misc":
            vars(module)["over_write_args_from_file"] = over_write_args_from_file
