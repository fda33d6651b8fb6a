"""A change's folder: what is read of it and how it is made."""

from pathlib import Path

import pytest

from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.patching.repository import Repository
from usb_ext.patching.source import read_changes

ABOUT = """
subject = "Count"
body = "What: it."
breaking = "none."
changelog = "Counts."
check = "check_count"
"""
RULE = """
[[replace]]
files = "config/*.yaml"
old = "clip: 0.0"
new = "clip_grad: 0.0"
"""


def source(root: Path, name: str, about: str = ABOUT) -> Path:
    folder = root / "source" / name
    folder.mkdir(parents=True)
    (folder / "about.toml").write_text(about)
    return folder


def usb(root: Path) -> Repository:
    installed = root / "installed" / "semilearn"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("one\n")
    return Repository(root / "usb", installed)


def test_changes_come_in_the_order_of_their_sets_with_their_bases(tmp_path: Path) -> None:
    (source(tmp_path, "B1-second") / "both.patch").write_text("")
    (source(tmp_path, "A1-first") / "main.patch").write_text("")
    source(tmp_path, "C1-third", ABOUT + RULE)
    changes = read_changes(tmp_path)
    assert [change.name for change in changes] == ["A1-first", "B1-second", "C1-third"]
    assert [change.concerns("main") for change in changes] == [True, True, True]
    assert [change.concerns("0.3.2") for change in changes] == [False, True, False]
    assert changes[0].words.message() == "Count\n\nWhat: it.\n\nBreaking changes: none.\n"


def test_a_rule_changes_whole_lines_and_the_log_grows_at_its_top(tmp_path: Path) -> None:
    repository = usb(tmp_path)
    (repository.folder / "config").mkdir()
    text = "clip: 0.0\nclip: 0.05\n"
    (repository.folder / "config" / "a.yaml").write_text(text)
    (repository.folder / "CHANGE_LOG.md").write_text("# Change Log\n\n* Older.\n")
    source(tmp_path, "D2-clip", ABOUT + RULE)
    read_changes(tmp_path)[0].write(repository, "main")
    made = (repository.folder / "config" / "a.yaml").read_text()
    assert made == "clip_grad: 0.0\nclip: 0.05\n"
    log = (repository.folder / "CHANGE_LOG.md").read_text()
    assert log == "# Change Log\n\n* Counts.\n* Older.\n"


def test_a_rule_that_fits_nothing_is_refused(tmp_path: Path) -> None:
    source(tmp_path, "D2-clip", ABOUT + RULE)
    with pytest.raises(RunFailed, match=r"no file of config/\*\.yaml has the line 'clip: 0\.0'"):
        read_changes(tmp_path)[0].write(usb(tmp_path), "main")


@pytest.mark.parametrize("text", ["subject = ", 'subject = "x"\n'])
def test_an_unusable_description_is_one_line(tmp_path: Path, text: str) -> None:
    source(tmp_path, "A1-bad", text)
    with pytest.raises(SettingsError, match=r"A1-bad/about\.toml cannot be used: ."):
        read_changes(tmp_path)
