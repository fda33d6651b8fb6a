"""Keys that nothing reads: accepted, named in one warning, dead in the wheel and in our package."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

import usb_ext
from usb_ext.core.errors import SettingsError
from usb_ext.settings import load_settings
from usb_ext.settings.model import DEAD
from usb_ext.settings.run import DeadSettings

KEYS = sorted(DeadSettings.model_fields)


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("value", [0.0, 3, True, "uniform", None])
def test_any_single_value_is_accepted_and_kept(name: str, value: object) -> None:
    assert getattr(load_settings({name: value}).settings, name) == value


def test_a_list_is_no_single_value() -> None:
    with pytest.raises(SettingsError, match="clip"):
        load_settings({"clip": [0.0]})


def test_one_warning_names_all_that_were_given() -> None:
    (warning,) = load_settings({"use_refix": False, "clip": 0.0, "lr": 0.1}).warnings
    assert warning.endswith(": clip, use_refix")


def test_no_warning_without_them() -> None:
    assert load_settings({"lr": 0.1, "clip": "None"}).warnings == ()


def readers(name: str, folder: Path) -> list[str]:
    """Files that read `args.NAME` or `settings.NAME`, or declare an option of that name."""
    pattern = re.compile(rf"(?:args|settings)\.{name}\b|['\"]--{name}['\"]")
    files = (p for p in folder.rglob("*.py") if p.name != "dead.py")
    return [str(p) for p in files if pattern.search(p.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("name", KEYS)
def test_nothing_reads_them(name: str) -> None:
    spec = find_spec("semilearn")
    assert spec is not None and spec.origin is not None
    assert readers(name, Path(spec.origin).parent) == []
    assert readers(name, Path(usb_ext.__file__).parent) == []


def test_the_search_finds_readers() -> None:
    spec = find_spec("semilearn")
    assert spec is not None and spec.origin is not None
    assert readers("clip_grad", Path(spec.origin).parent)
    assert "clip_grad" not in DEAD
