"""The patches, and trees of USB that they are applied to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from usb_ext.patching.repository import Repository
from usb_ext.patching.source import BASES, Change, read_changes
from usb_ext.upstream.release import release_folder

HERE = Path(__file__).parent
TREES = HERE.parent / "patching" / "trees"
PATCHES = HERE.parents[1] / "patches"
SERIES = {base: sorted((PATCHES / base).glob("[0-9]*.patch")) for base in BASES}
CHANGES = {
    base: [change for change in read_changes(PATCHES) if change.concerns(base)] for base in BASES
}
"""What each series is made of, in its order."""


def usb_clone() -> Path:
    """The clone of USB's repository that the variable USB_CLONE names; without it a slow test fails."""
    named = os.environ.get("USB_CLONE")
    if not named:
        pytest.fail("USB_CLONE names no clone of github.com/microsoft/Semi-supervised-learning")
    return Path(named)


def tree(folder: Path, base: str) -> Repository:
    """The base's tree in `folder`."""
    if base == "main":
        return Repository(folder, None, usb_clone())
    return Repository(folder, release_folder())


def patched(folder: Path, base: str) -> Repository:
    """The base's tree with its series, applied by `git am`."""
    repository = tree(folder, base)
    repository.apply(SERIES[base])
    return repository


def without(folder: Path, base: str, left_out: Change) -> Repository:
    """The base's tree with all changes but one, and but those that need it."""
    repository = tree(folder, base)
    for change in CHANGES[base]:
        if change is not left_out and left_out.name not in change.needs:
            change.write(repository, base)
            repository.commit(change.words.message())
    return repository


def may_fail(base: str, left_out: Change) -> set[str]:
    """The checks that may fail without a change: its own, and those of what needs it."""
    needing = [change for change in CHANGES[base] if left_out.name in change.needs]
    return {check for change in (left_out, *needing) for check in change.checks}


def alone(script: str, *words: str) -> str:
    """What a script of `patching/trees` prints in a process of its own, which sees no GPU and no usb_ext."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(TREES / script), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**environment, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
