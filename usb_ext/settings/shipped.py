"""The settings files that come with the package, by name: `layermatch_digits_10`, `as3l_cifar10_40`, ...

They stand in `config/` of a checkout, where an editable install finds them as well; a wheel holds them as
`usb_ext/shipped/`.
"""

import os
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path

from usb_ext.core.errors import SettingsError

PACKAGE = Path(__file__).resolve().parents[1]
ENDING = ".yaml"


def shipped_files() -> dict[str, Path]:
    """Every shipped file by its name without the ending, in the order of the names."""
    installed = PACKAGE / "shipped"
    folder = installed if installed.is_dir() else PACKAGE.parent / "config"
    return {path.stem: path for path in sorted(folder.glob(f"*{ENDING}"))}


def shipped_file(name: str) -> Path:
    """The shipped file of a name.

    Args:
        name: with or without `.yaml`.

    Raises:
        SettingsError: there is none, with those whose names are nearest.
    """
    found = shipped_files().get(name.removesuffix(ENDING))
    if found is None:
        raise SettingsError(f"{name}: {_no_such_name(name)}")
    return found


def settings_file(source: str | Path) -> str | Path:
    """The file that `--c SOURCE` means.

    A path where there is such a file; else, for a name alone, `NAME.yaml` of the working folder, where
    `usb-ext configs copy` puts it, or the shipped file of that name.

    Args:
        source: a path, or a name with or without `.yaml`.

    Returns:
        The source as it is where it is a path or none of these exists; else the file that it means.
    """
    name = os.fspath(source)
    if os.path.isfile(name) or _has_folder(name):
        return source
    stem = name.removesuffix(ENDING)
    copied = Path(stem + ENDING)
    return copied if copied.is_file() else shipped_files().get(stem, source)


def remedy(path: str | Path) -> str:
    """What to add to the message that a file does not exist: the shipped one that may have been meant.

    Args:
        path: as it was given.
    """
    name, stem = os.fspath(path), Path(path).name.removesuffix(ENDING)
    if not _has_folder(name):
        return f", and {_no_such_name(name)}"
    if stem in shipped_files():
        return f"; a file of that name comes with usb_ext: use --c {stem}"
    return ""


def title(path: Path) -> str:
    """What a shipped file is for: its opening comment after the command, up to the first colon.

    Args:
        path: one of `shipped_files`.
    """
    _, *lines = path.read_text(encoding="utf-8").splitlines()
    comment = takewhile(lambda line: line.startswith("#"), lines)
    return " ".join(line.removeprefix("#").strip() for line in comment).partition(":")[0]


def _has_folder(name: str) -> bool:
    return Path(name).name != name


def _no_such_name(name: str) -> str:
    """That no shipped file has a name, and which come near it."""
    near = get_close_matches(name.removesuffix(ENDING), shipped_files(), n=3)
    hint = f"did you mean {', '.join(near)}? " if near else ""
    return (
        f"no settings file of this name comes with usb_ext; {hint}`usb-ext configs` lists them all"
    )
