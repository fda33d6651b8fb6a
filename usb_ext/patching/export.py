"""The export stage: the series of patches for USB, made again from its sources.

A bridge's source is its patch file. A feature's is its folder and the modules of ours that it takes
(`patching/feature.py`). Both are put on the released tree under git and written out again, so a series that
is clean comes out as it went in, byte for byte.
"""

import shutil
import tempfile
from functools import partial
from pathlib import Path

from usb_ext.core.errors import DataMissing
from usb_ext.core.files import replace_file
from usb_ext.core.outputs import check_outputs, claim_outputs
from usb_ext.patching.feature import read_features, write_feature
from usb_ext.patching.repository import Repository
from usb_ext.upstream.release import release_folder

PATCHES = "[0-9][0-9][0-9][0-9]-*.patch"


def export_patches(source: Path, out: Path) -> list[Path]:
    """Make the series again.

    Args:
        source: the folder with the patches and `features/`.
        out: where they go; patches of before are replaced. May be `source`.

    Returns:
        The files, in the order in which they apply.

    Raises:
        DataMissing: `source` holds no patches.
        SettingsError: no git, or USB is not the release.
        RunFailed: a patch does not apply.
    """
    features = read_features(source / "features")
    subjects = {feature.message.splitlines()[0] for feature in features}
    bridges = [p for p in sorted(source.glob(PATCHES)) if _subject(p) not in subjects]
    if not bridges:
        raise DataMissing(f"{source} holds no patches; name the folder with --source")
    with tempfile.TemporaryDirectory() as scratch:
        repository = Repository(Path(scratch) / "usb", release_folder())
        repository.apply(bridges)
        for feature in features:
            write_feature(feature, repository.folder)
            repository.commit(feature.message)
        made = repository.export(Path(scratch) / "out")
        return _replaced(made, out, own=_same(out, source))


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
    return [out / path.name for path in made]


def _same(left: Path, right: Path) -> bool:
    return left.resolve() == right.resolve()


def _subject(patch: Path) -> str:
    """What a patch file's line `Subject: [PATCH] ...` says."""
    lines = patch.read_text(encoding="utf-8").splitlines()
    found = (line for line in lines if line.startswith("Subject: "))
    return next(found, "").removeprefix("Subject: ").removeprefix("[PATCH] ")
