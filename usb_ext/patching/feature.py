"""A feature patch: an algorithm in USB's layout, written by hand but for `utils.py`.

A folder `features/<name>/` holds `feature.toml`, the algorithm's Python files and its settings file:

    order = 1                        place in the series, after the bridges
    subject, body                    the words of the patch
    imports = ["..."]                lines that the made file needs beside those of its sources
    [replace]  OurError = "Theirs"   names of ours and what stands for them in USB
    [[take]]   module = "functional/x.py"   names = [...]    what utils.py is made of; no names: all
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usb_ext.core.errors import RunFailed, SettingsError, reason
from usb_ext.patching.take import Source, put_together

PACKAGE = Path(__file__).parent.parent
REGISTRY = "semilearn/core/utils/registry.py"
LAST_ALGORITHM = re.compile(r"('semilearn\.algorithms', \[[^]]*)(\])")


@dataclass(frozen=True)
class Feature:
    """An algorithm to add.

    Attributes:
        name: as registered.
        order: its place among the features.
        message: subject, empty line and body of the patch.
        files: content by path in USB's repository.
    """

    name: str
    order: int
    message: str
    files: dict[str, str]


def read_features(folder: Path) -> list[Feature]:
    """All features of a folder, in order.

    Args:
        folder: `patches/features`.

    Raises:
        SettingsError: a `feature.toml` that cannot be read or lacks a key.
        RunFailed: a name to take that our source does not have.
    """
    found = [_read(path.parent) for path in folder.glob("*/feature.toml")]
    return sorted(found, key=lambda feature: feature.order)


def _read(folder: Path) -> Feature:
    described = folder / "feature.toml"
    try:
        given = tomllib.loads(described.read_text(encoding="utf-8"))
        message = f"{given['subject']}\n\n{given['body'].strip()}\n"
        utils = put_together(
            [_source(part) for part in given["take"]],
            given.get("imports", []),
            given.get("replace", {}),
        )
        order = int(given["order"])
    except (tomllib.TOMLDecodeError, KeyError, OSError) as error:
        raise SettingsError(f"{described} cannot be used: {reason(error)}") from error
    place = f"semilearn/algorithms/{folder.name}"
    files = {f"{place}/utils.py": utils}
    for path in sorted(folder.glob("*.py")):
        files[f"{place}/{path.name}"] = path.read_text(encoding="utf-8")
    for path in sorted(folder.glob("*.yaml")):
        files[f"config/usb_cv/{folder.name}/{path.name}"] = path.read_text(encoding="utf-8")
    return Feature(folder.name, order, message, files)


def _source(part: dict[str, Any]) -> Source:
    text = (PACKAGE / part["module"]).read_text(encoding="utf-8")
    return Source(part["module"], text, tuple(part.get("names", ())))


def write_feature(feature: Feature, tree: Path) -> None:
    """Put a feature's files into a tree of USB and its name into USB's list of algorithms.

    Args:
        feature: what to write.
        tree: the folder that holds `semilearn/`.

    Raises:
        RunFailed: USB's list is not where it is in the release.
    """
    for name, text in feature.files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    registry = tree / REGISTRY
    text, count = LAST_ALGORITHM.subn(
        rf"\g<1>, '{feature.name}'\g<2>", registry.read_text(encoding="utf-8"), count=1
    )
    if count != 1:
        raise RunFailed(f"{REGISTRY} has no list of algorithms to put {feature.name} into")
    registry.write_text(text, encoding="utf-8")
