"""`plugin: FILE.py`: found, imported once, and what is wrong in it told with the file and the line."""

import sys
from pathlib import Path

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings import config_sha256, load_settings, resolved_yaml
from usb_ext.settings.plugin import IMPORTED, found_plugin, import_plugin

pytestmark = pytest.mark.usefixtures("registries")
COUNTS = "import sys\nsys.times_imported = getattr(sys, 'times_imported', 0) + 1\n"


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "times_imported", 0, raising=False)


def test_it_is_looked_for_in_the_working_folder_then_beside_the_settings_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    (there / "mine.py").touch()
    monkeypatch.chdir(here)
    assert found_plugin("mine.py", there) == there / "mine.py"
    (here / "mine.py").touch()
    assert found_plugin("mine.py", there) == here / "mine.py"
    assert found_plugin(str(there / "mine.py")) == there / "mine.py"
    with pytest.raises(
        SettingsError, match=r"^plugin is 'none.py', and there is no such file; name"
    ):
        found_plugin("none.py", there)


def test_one_content_is_imported_once_wherever_it_lies(tmp_path: Path, times: None) -> None:
    first, copy = tmp_path / "first.py", tmp_path / "copy.py"
    for path in (first, copy):
        path.write_text(COUNTS)
        import_plugin(path)
        import_plugin(path)
    assert sys.times_imported == 1  # type: ignore[attr-defined]
    assert list(IMPORTED.values()) == [first]
    first.write_text(COUNTS + "# changed\n")
    with pytest.raises(SettingsError, match=r"first.py has changed since this process imported it"):
        import_plugin(first)


def test_it_finds_its_neighbours_and_itself(tmp_path: Path) -> None:
    """It may import what lies beside it, and objects of its classes can be pickled."""
    (tmp_path / "a_neighbour_of_mine.py").write_text("VALUE = 5\n")
    (tmp_path / "mine.py").write_text(
        "import pickle\nfrom a_neighbour_of_mine import VALUE\nclass Own:\n    value = VALUE\n"
        "assert pickle.loads(pickle.dumps(Own())).value == 5\n"
    )
    import_plugin(tmp_path / "mine.py")
    assert not list(tmp_path.glob("__pycache__/mine*"))
    del sys.modules["a_neighbour_of_mine"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("x = 1\ndef broken(:\n", "line 2: SyntaxError: invalid syntax"),
        ("\n\nraise LookupError('not there')\n", "line 3: LookupError: not there"),
        ("def f():\n    return 1 / 0\n\nf()\n", "line 2: ZeroDivisionError: division by zero"),
        ("import no_such_module_at_all\n", "line 1: ModuleNotFoundError: No module named"),
        ("import json\n\njson.loads('{')\n", "line 3: JSONDecodeError: Expecting property name"),
        ("import sys\nsys.exit(3)\n", "line 2: SystemExit: 3"),
        ("raise ValueError\n", "line 1: ValueError"),
        ("exec('def broken(:')\n", "line 1: SyntaxError: invalid syntax"),
        ("x = '\0'\n", "null bytes"),
        ("x = '\xff'\n".encode("latin-1"), "SyntaxError: "),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_what_goes_wrong_in_it_is_one_line(tmp_path: Path, content: str | bytes, said: str) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(SettingsError) as caught:
        import_plugin(path)
    text = str(caught.value)
    assert text.startswith(f"plugin {path}") and said in text and "\n" not in text
    assert not IMPORTED and not [name for name in sys.modules if name.startswith("usb_ext_plugin")]


def test_settings_import_it_first_and_keep_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names that it adds are known when the others are checked; where it lies changes no result."""
    (tmp_path / "mine.py").write_text(
        "import usb_ext\nclass Mine(usb_ext.BaseRule):\n    '''Mine.'''\n    name = 'mine'\n"
        "usb_ext.add_base(Mine())\n"
    )
    (tmp_path / "mine.yaml").write_text("plugin: mine.py\nbase: mine\nalgorithm: layermatch\n")
    settings = load_settings(tmp_path / "mine.yaml").settings
    assert settings.plugin == str(tmp_path / "mine.py") and settings.active_base == "mine"
    (tmp_path / "config.yaml").write_text(resolved_yaml(settings))
    monkeypatch.chdir(tmp_path.parent)
    assert load_settings(tmp_path / "config.yaml").settings == settings
    moved = settings.model_copy(update={"plugin": "elsewhere.py"})
    assert config_sha256(moved) == config_sha256(settings)


def test_a_flag_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").touch()
    (tmp_path / "mine.yaml").write_text("plugin: lost.py\n")
    with pytest.raises(SettingsError, match="plugin is 'lost.py'"):
        load_settings(tmp_path / "mine.yaml")
    given = load_settings(tmp_path / "mine.yaml", {"plugin": str(tmp_path / "mine.py")})
    assert given.settings.plugin == str(tmp_path / "mine.py")
    with pytest.raises(SettingsError, match="plugin: got 3"):
        load_settings({"plugin": 3})
