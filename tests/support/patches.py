"""The patches, and trees of USB that they are applied to."""

import os
import re
import subprocess
import sys
from pathlib import Path

from usb_ext.patching.repository import Repository
from usb_ext.upstream.release import release_folder

HERE = Path(__file__).parent
TREES = HERE.parent / "patching" / "trees"
PATCHES = HERE.parents[1] / "patches"
SERIES = sorted(PATCHES.glob("[0-9]*.patch"))
README = (PATCHES / "README.md").read_text()


def number(patch: Path) -> str:
    """The four digits that a patch's name begins with."""
    return patch.name[:4]


def table(title: str) -> dict[str, list[str]]:
    """Rows of a table of the README by the number of the patch, their other cells."""
    section = README.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\d{4}) \|(.*)\|$", section, re.M)
    return {found: [cell.strip() for cell in cells.split("|")] for found, cells in rows}


def patched(folder: Path, patches: list[Path]) -> Repository:
    """The released tree in `folder`, with patches applied by `git am`."""
    repository = Repository(folder, release_folder())
    repository.apply(patches)
    return repository


def alone(script: str, *words: str) -> str:
    """What a script of `patching/trees` prints in a process of its own, which sees no GPU and no usb_ext."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(TREES / script), *words],
        capture_output=True,
        text=True,
        check=False,
        env={**environment, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
