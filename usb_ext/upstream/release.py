"""Refuse any USB but the released wheel 0.3.2 and main with set A, before it is imported.

USB's repository says 0.3.2 too and has diverged: `BasicDataset` takes a `medium_transform` between
`is_ulb` and `strong_transform`, so positional arguments land elsewhere, and its vision transformer
does not import with current timm. Set A of `patches/main` mends that. Nothing is imported here: the
metadata of the installation and the text of two files are read, in a few milliseconds.
"""

import ast
import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path

from usb_ext.core.errors import SettingsError

RELEASE = "0.3.2"
# aim has no wheel for Python 3.13; all that USB needs beside it is named by usb_ext itself.
REMEDY = f"pip install {'--no-deps ' if sys.version_info >= (3, 13) else ''}semilearn=={RELEASE}"
ROUTES = f"take the released one ({REMEDY}), or apply set A of patches/main to a checkout of main"
# Arguments of BasicDataset.__init__ in the wheel; main has one more.
SIGNATURE = "self alg data targets num_classes transform is_ulb strong_transform onehot"
MAINS = SIGNATURE.replace("strong_", "medium_transform strong_")


def check_release() -> None:
    """Raise `SettingsError`, a sentence with the remedy, unless a USB that works would load.

    These are the release, and a checkout of main with set A of our patches, however it is on the path.

    Refused: no USB, another version, one installed from a folder or a repository, a copy of the
    source that the import path names before the installed one, and the source of USB's main as it is.
    """
    folder = _found()
    if _is_main(folder):
        if not _restored(folder):
            raise SettingsError(
                f"USB in {folder} is the repository's main, which calls itself {RELEASE} and undoes earlier "
                f"fixes: {ROUTES}"
            )
    elif reason := _reason_to_refuse(folder):
        raise SettingsError(f"USB in {folder} {reason}, and only the released one works: {REMEDY}")


def release_folder() -> Path:
    """The installed release's folder `semilearn`, which nobody changes.

    Raises:
        SettingsError: it is not the release that would load.
    """
    folder = _found()
    if reason := _reason_to_refuse(folder):
        raise SettingsError(
            f"USB in {folder} {reason}, and only the released one is taken: {REMEDY}"
        )
    return folder


def _found() -> Path:
    folder = _folder()
    if folder is None:
        raise SettingsError(f"USB (semilearn) is not installed: {REMEDY}")
    return folder


def _is_main(folder: Path) -> bool:
    return _signature(folder / "datasets" / "cv_datasets" / "datasetbase.py") == MAINS.split()


def _restored(folder: Path) -> bool:
    """Whether main registers DeFixMatch again, as set A makes it."""
    try:
        text = (folder / "core" / "utils" / "registry.py").read_text(encoding="utf-8")
    except OSError:
        return False
    return "'defixmatch'" in text


def _reason_to_refuse(folder: Path) -> str | None:
    try:
        installed = importlib.metadata.distribution("semilearn")
    except importlib.metadata.PackageNotFoundError:
        return "is a copy of the source that no installer put there (leave it out of the path)"
    if installed.version != RELEASE:
        return f"is version {installed.version}"
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    if "vcs_info" in origin or "dir_info" in origin:
        return f"was installed from {origin.get('url')}"
    if folder != Path(str(installed.locate_file("semilearn"))).resolve():
        return f"hides the installed {RELEASE} (leave that folder out of the import path)"
    if _signature(folder / "datasets" / "cv_datasets" / "datasetbase.py") != SIGNATURE.split():
        return f"calls itself {RELEASE} but differs"
    return None


def _folder() -> Path | None:
    """Where `import semilearn` would look, None if nowhere (a folder without code is nowhere)."""
    try:
        spec = importlib.util.find_spec("semilearn")
    except (ImportError, ValueError):
        return None
    return Path(spec.origin).resolve().parent if spec and spec.origin else None


def _signature(file: Path) -> list[str]:
    """Names of the positional arguments of `BasicDataset.__init__` in `file`, read as text."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError):
        return []
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == "BasicDataset":
            inits = [
                n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"
            ]
            return [argument.arg for init in inits for argument in init.args.args]
    return []
