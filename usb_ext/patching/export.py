"""The export stage: the series of patches for USB, made from its sources for one base.

Every change's source is a folder (`patching/source.py`). They are put on the base's tree under git, one after
another, and written out, so the same sources give the same patches, byte for byte.
"""

import shutil
import tempfile
from functools import partial
from pathlib import Path

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.files import replace_file
from usb_ext.core.outputs import check_outputs, claim_outputs
from usb_ext.patching.repository import Repository
from usb_ext.patching.source import BASES, Change, read_changes
from usb_ext.upstream.release import release_folder

PATCHES = "[0-9][0-9][0-9][0-9]-*.patch"
BLOBS = "blobs.txt"
"""What the patches were cut from: hash and path of every file of the base that one of them touches."""


def export_patches(source: Path, out: Path, base: str, clone: Path | None = None) -> list[Path]:
    """Make the series for a base.

    Args:
        source: the folder with `source/`, such as `patches`.
        out: where the series goes; patches of before are replaced. `source/<base>` is ours.
        base: one of `BASES`.
        clone: for main, a clone of USB's repository.

    Returns:
        The files, in the order in which they apply.

    Raises:
        DataMissing: `source` holds no sources.
        SettingsError: no git, no clone, USB is not the release, or an unknown base.
        RunFailed: a source does not apply.
    """
    if base not in BASES:
        raise SettingsError(f"there is no base {base!r}; name one of {', '.join(BASES)}")
    changes = [change for change in read_changes(source) if change.concerns(base)]
    if not changes:
        raise DataMissing(f"{source} holds no sources of patches; name the folder with --source")
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        released = None if base == "main" else release_folder()
        repository = Repository(place / "usb", released, clone)
        made = _made(repository, changes, place / "out", base)
        return _replaced(made, out, own=out.resolve() == (source / base).resolve())


def _made(repository: Repository, changes: list[Change], out: Path, base: str) -> list[Path]:
    """The patch files in `out`, and what they were cut from."""
    made = []
    for number, change in enumerate(changes, start=1):
        change.write(repository, base)
        repository.commit(change.words.message())
        made.append(repository.export_last(out, number, change.context))
    (out / BLOBS).write_text(_blobs(repository), encoding="utf-8")
    return [*made, out / BLOBS]


def _blobs(repository: Repository) -> str:
    touched = set(repository.git("diff", "--name-only", repository.base).splitlines())
    rows = repository.git("ls-tree", "-r", repository.base).splitlines()
    parts = [row.split("\t") for row in rows]
    return "".join(f"{meta.split()[2]} {path}\n" for meta, path in parts if path in touched)


def _replaced(made: list[Path], out: Path, *, own: bool) -> list[Path]:
    """The patches in `out`; those of before go when the new ones are there."""
    before = [path.name for path in out.glob(PATCHES)]
    if not own:
        check_outputs(out, before)
    claim_outputs(out, [] if own else [path.name for path in made])
    out.mkdir(parents=True, exist_ok=True)
    for path in made:
        replace_file(out / path.name, partial(shutil.copyfile, path))
    for name in set(before) - {path.name for path in made}:
        (out / name).unlink()
    return [out / path.name for path in made if path.suffix == ".patch"]
