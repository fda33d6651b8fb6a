"""Git as it is used here: the same bytes whatever the user's settings, and failures in one line."""

import subprocess
from pathlib import Path

import pytest

from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.patching.repository import Repository


def released(folder: Path) -> Path:
    package = folder / "installed" / "semilearn"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__init__.py").write_text("one\ntwo\nthree\n")
    (package / "__pycache__" / "x.pyc").write_text("")
    return package


def exported(folder: Path, package: Path) -> list[bytes]:
    repository = Repository(folder, package)
    (repository.folder / "semilearn" / "__init__.py").write_text("one\n2\nthree\n")
    repository.commit("Count\n\nWhy: it\n# is shorter.")
    return [path.read_bytes() for path in repository.export(folder / "out")]


def test_the_users_settings_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = released(tmp_path)
    first = exported(tmp_path / "a", package)
    config = tmp_path / "gitconfig"
    config.write_text(
        "[diff]\n noprefix = true\n[format]\n signature = x\n numbered = true\n[user]\n name = y\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "someone")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert exported(tmp_path / "b", package) == first
    assert b"Subject: [PATCH] Count\n\nWhy: it\n# is shorter.\n---\n" in first[0]
    assert (package / "__init__.py").read_text() == "one\ntwo\nthree\n"


def test_a_patch_applies_again_and_comes_out_as_it_went_in(tmp_path: Path) -> None:
    package = released(tmp_path)
    (tmp_path / "0001-count.patch").write_bytes(exported(tmp_path / "a", package)[0])
    repository = Repository(tmp_path / "b", package)
    repository.apply([tmp_path / "0001-count.patch"])
    again = repository.export(tmp_path / "out")
    assert again[0].read_bytes() == (tmp_path / "0001-count.patch").read_bytes()


def test_a_patch_that_does_not_apply_is_named(tmp_path: Path) -> None:
    package = released(tmp_path)
    (tmp_path / "0001-count.patch").write_bytes(exported(tmp_path / "a", package)[0])
    (package / "__init__.py").write_text("four\n")
    repository = Repository(tmp_path / "b", package)
    with pytest.raises(RunFailed, match="git am 0001-count.patch failed: .*patch"):
        repository.apply([tmp_path / "0001-count.patch"])


def test_no_git_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> None:
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", absent)
    with pytest.raises(SettingsError, match="git, which is not installed"):
        Repository(tmp_path / "a", released(tmp_path))
