"""The user's modules in a run's fingerprint: network, data set, base and extensions, each file once."""

import sys
from pathlib import Path

import pytest

from usb_ext.data.fingerprint import differences, fingerprint_of
from usb_ext.data.sets import Source
from usb_ext.settings import Settings, load_settings
from usb_ext.settings.plugin import IMPORTED

pytestmark = pytest.mark.usefixtures("registries")

BASE = """
import usb_ext
class Mine(usb_ext.BaseRule):
    '''Mine.'''
    name = "mine"
usb_ext.add_base(Mine())
"""
EXTENSION = """
import usb_ext
class Own(usb_ext.Extension):
    '''Own.'''
    name = "own"
usb_ext.add_extension(Own())
"""


def modules(**given: object) -> dict[str, str]:
    return dict(fingerprint_of(settings(**given), Source()).modules)


def settings(**given: object) -> Settings:
    return load_settings({"dataset": "cifar10", "data_dir": "no such folder", **given}).settings


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A base and an extension in two modules that a program has imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, text in (("a_base_of_mine", BASE), ("an_extension_of_mine", EXTENSION)):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
        __import__(name)
    return tmp_path


def test_ours_are_no_part_of_it() -> None:
    assert modules(algorithm="layermatch") == {}
    assert modules(algorithm="comatch") == {}


def test_added_bases_and_extensions_are(added: Path) -> None:
    whole = modules(algorithm="mine", extensions=["own"])
    assert sorted(whole) == ["base mine", "extension own"]
    assert modules(algorithm="layermatch", base="mine") == {"base mine": whole["base mine"]}
    assert modules(algorithm="fixmatch", extensions=["own"]).keys() == {"extension own"}


def test_a_change_of_one_is_named(added: Path) -> None:
    given = settings(algorithm="mine", extensions=["own"])
    then = fingerprint_of(given, Source())
    (added / "an_extension_of_mine.py").write_text(EXTENSION + "# changed\n")
    now = fingerprint_of(given, Source())
    assert now.sha256 != then.sha256
    # `none` stands for data that are not there, of which nothing is compared
    files = [type(found)(**{**vars(found), "kind": "files"}) for found in (then, now)]
    (told,) = differences(*files)
    assert told.startswith("extension own has another content (")


def test_a_plugin_stands_there_once_for_all_that_it_adds(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(BASE + EXTENSION)
    found = modules(plugin=str(tmp_path / "mine.py"), algorithm="mine", extensions=["own"])
    assert list(found) == ["plugin"] and list(found.values()) == list(IMPORTED)


def test_what_has_no_file_is_left_out() -> None:
    exec(BASE, {"__name__": "typed_in"})
    assert modules(algorithm="mine") == {}
