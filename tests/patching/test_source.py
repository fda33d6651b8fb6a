"""A change's folder: what is read of it and how it is made."""

from pathlib import Path

import pytest

from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.patching.repository import Repository
from usb_ext.patching.source import REGISTRY, read_changes

ABOUT = """
subject = "Count"
body = "What: it."
breaking = "none."
changelog = "Counts."
checks = ["check_count"]
"""
RULE = """
[[replace]]
files = "config/*.yaml"
old = "clip: 0.0"
new = "clip_grad: 0.0"
"""
EDITS = """
algorithm = "count"

[[edit]]
file = "config/zoo.md"
old = "1. One"
new = "1. One\\n2. Two"

[[edit]]
file = "config/zoo.md"
old = ""
new = "last\\n"
"""
LIST = "ALL = [('semilearn.algorithms', ['a',\n   'b']), ('semilearn.imb_algorithms', ['c'])]\n"


def source(root: Path, name: str, about: str = ABOUT) -> Path:
    folder = root / "source" / name
    folder.mkdir(parents=True)
    (folder / "about.toml").write_text(about)
    return folder


def usb(root: Path) -> Repository:
    installed = root / "installed" / "semilearn"
    installed.mkdir(parents=True)
    (installed / "core" / "utils").mkdir(parents=True)
    (installed.parent / REGISTRY).write_text(LIST)
    return Repository(root / "usb", installed)


def with_config(root: Path) -> Repository:
    repository = usb(root)
    (repository.folder / "config").mkdir()
    (repository.folder / "config" / "zoo.md").write_text("1. One")
    return repository


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
    repository = with_config(tmp_path)
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


def test_a_new_algorithm_is_copied_listed_and_written_about(tmp_path: Path) -> None:
    repository = with_config(tmp_path)
    folder = source(tmp_path, "I1-count", ABOUT + EDITS)
    (folder / "new" / "semilearn" / "algorithms" / "count").mkdir(parents=True)
    (folder / "new" / "semilearn" / "algorithms" / "count" / "count.py").write_text("x\n")
    (change,) = read_changes(tmp_path)
    change.write(repository, "main")
    made = repository.folder
    assert (made / "semilearn/algorithms/count/count.py").read_text() == "x\n"
    assert (made / REGISTRY).read_text() == LIST.replace("'b']", "'b', 'count']")
    assert (made / "config/zoo.md").read_text() == "1. One\n2. Two\nlast\n"


def test_the_release_has_no_pages_to_write_in(tmp_path: Path) -> None:
    repository = with_config(tmp_path)
    folder = source(tmp_path, "I1-count", ABOUT + EDITS)
    (folder / "new" / "config").mkdir(parents=True)
    (folder / "new" / "config" / "count.yaml").write_text("lr: 1\n")
    read_changes(tmp_path)[0].write(repository, "0.3.2")
    assert not (repository.folder / "config/count.yaml").exists()
    assert (repository.folder / "config/zoo.md").read_text() == "1. One"
    assert "'b', 'count']" in (repository.folder / REGISTRY).read_text()


def test_a_text_that_stands_twice_is_refused(tmp_path: Path) -> None:
    repository = with_config(tmp_path)
    (repository.folder / "config" / "zoo.md").write_text("1. One\n1. One\n")
    source(tmp_path, "I1-count", ABOUT + EDITS)
    with pytest.raises(RunFailed, match=r"zoo\.md has 2 places with '1\. One', not one"):
        read_changes(tmp_path)[0].write(repository, "main")


def test_another_registry_is_refused(tmp_path: Path) -> None:
    repository = usb(tmp_path)
    (repository.folder / REGISTRY).write_text("ALL = []\n")
    source(tmp_path, "I1-count", ABOUT + EDITS)
    with pytest.raises(RunFailed, match="no list of algorithms to put count into"):
        read_changes(tmp_path)[0].write(repository, "main")
