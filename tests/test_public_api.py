"""The names that `import usb_ext` offers: all there, said what they are, and imported when asked for."""

import ast
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import usb_ext

PROMISED = """
train compare predict load_run Settings LoadedSettings load_settings RunResult TrainedRun Extension BaseRule
Weak Views Hook Prediction FilePredictions SemiSupervisedClassifier ImageArrays add_base add_extension
add_dataset published register AS3LHook per_example_gradients UsbExtError SettingsError DataMissing RunFailed
Interrupted __version__
""".split()
USBS_OWN = {"Hook"}
"""USB's class of hooks, which says nothing of itself; the pages say what to override."""


def in_a_new_process(code: str) -> Any:
    """What a program prints as JSON that has imported nothing but usb_ext."""
    environment = {**os.environ, "PYTHONPATH": str(Path(usb_ext.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import json, sys, usb_ext\n{code}"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_the_public_names_are_those_promised() -> None:
    assert sorted(usb_ext.__all__) == sorted(PROMISED)
    assert set(PROMISED) <= set(dir(usb_ext))


@pytest.mark.parametrize("name", sorted(set(PROMISED) - {"__version__"}))
def test_a_name_is_what_it_is_called_and_says_what_it_is(name: str) -> None:
    found = getattr(usb_ext, name)
    assert found.__name__ == name
    if name not in USBS_OWN:
        assert found.__module__.startswith("usb_ext")
        assert len(inspect.getdoc(found) or "") > 40, name
    assert getattr(usb_ext, name) is found


def test_type_checkers_and_python_read_the_same_names_from_the_same_places() -> None:
    """The imports under TYPE_CHECKING say the modules once more; each gives the very object."""
    tree = ast.parse(Path(usb_ext.__file__).read_text(encoding="utf-8"))
    (guarded,) = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    ]
    said = {
        alias.name: node.module
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(said) == set(PROMISED) - {"__version__"}
    for name, module in said.items():
        assert module is not None
        __import__(module)
        assert getattr(sys.modules[module], name) is getattr(usb_ext, name), name


def test_importing_it_imports_nothing_heavy() -> None:
    """Not even where an error or the settings are asked for; pydantic comes with the settings."""
    heavy = "sorted({'torch', 'numpy', 'pydantic', 'semilearn', 'sklearn'} & set(sys.modules))"
    assert in_a_new_process(f"dir(usb_ext); print(json.dumps({heavy}))") == []
    code = f"usb_ext.SettingsError, usb_ext.published(); print(json.dumps({heavy}))"
    assert in_a_new_process(code) == []
    assert in_a_new_process(f"usb_ext.Settings; print(json.dumps({heavy}))") == ["pydantic"]


def test_the_errors_are_those_that_it_raises() -> None:
    with pytest.raises(usb_ext.SettingsError, match="lr: got -1"):
        usb_ext.train(lr=-1)
    with pytest.raises(usb_ext.SettingsError, match="did you mean layermatch_digits_10"):
        usb_ext.train("layermatch_digit_10")
    with pytest.raises(usb_ext.DataMissing, match="does not exist"):
        usb_ext.load_run("no/such/run")
    kinds = (usb_ext.SettingsError, usb_ext.DataMissing, usb_ext.RunFailed)
    assert all(issubclass(kind, usb_ext.UsbExtError) for kind in kinds)


def test_an_interruption_ends_a_loop_that_goes_on_after_errors() -> None:
    """As Ctrl-C does: neither `except Exception` nor `except UsbExtError` takes it."""
    assert issubclass(usb_ext.Interrupted, KeyboardInterrupt)
    assert not issubclass(usb_ext.Interrupted, Exception)
    assert usb_ext.Interrupted("stopped", 15).exit_code == 143


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'usb_ext' has no attribute 'trian'"):
        _ = usb_ext.trian  # type: ignore[attr-defined]
    assert not hasattr(usb_ext, "_folder")
    with pytest.raises(ImportError):
        from usb_ext import no_such_name  # type: ignore[attr-defined]  # noqa: F401
