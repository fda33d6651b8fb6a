"""A digest at the end of a checkpoint, so that a flipped bit is noticed and not trained on.

`torch.save` writes a zip archive, whose checksums `torch.load` does not look at. The SHA-256 of all bytes
stands in the archive's comment, which every reader of zip files passes over.
"""

import hashlib
import os
import zipfile
from pathlib import Path

from usb_ext.core.files import broken_part

MAGIC = b"usb_ext sha256 "
LENGTH = len(MAGIC) + 64
END = 2
"""Bytes of an archive's end that hold the length of its comment."""


def seal(path: Path) -> None:
    """Add the digest to an archive that has no comment."""
    size = path.stat().st_size - END
    comment = MAGIC + _digest(path, size).encode()
    with path.open("rb+") as file:
        file.seek(size)
        file.write(LENGTH.to_bytes(END, "little") + comment)


def is_sealed(path: Path) -> bool:
    """Whether a file ends with a digest."""
    return _written(path) is not None


def damage(path: Path) -> str | None:
    """What is wrong with a file's bytes, or None; a file without a digest is judged by its checksums.

    Raises:
        OSError, ValueError, zipfile.BadZipFile: it is no archive.
    """
    written = _written(path)
    if written is not None:
        size = path.stat().st_size - LENGTH - END
        return (
            None if _digest(path, size) == written else "its bytes are not those that were written"
        )
    bad = broken_part(
        path
    )  # None for torch's older format, and for no checkpoint at all: its reader tells
    return None if bad is None else f"the checksum of its part {bad} is wrong"


def is_whole(path: Path) -> bool:
    """Whether a file is an archive with the bytes that were written."""
    try:
        return path.is_file() and zipfile.is_zipfile(path) and damage(path) is None
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False


def same_seal(left: Path, right: Path) -> bool:
    """Whether two files end with the same digest, or both without one."""
    return _written(left) == _written(right)


def _written(path: Path) -> str | None:
    """The digest that stands at a file's end."""
    if not path.is_file():  # a pipe, which a reader would wait for
        return None
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - LENGTH - END))
        end = file.read()
    sealed = end[:END] == LENGTH.to_bytes(END, "little") and end[END:].startswith(MAGIC)
    return end[END + len(MAGIC) :].decode(errors="replace") if sealed else None


def _digest(path: Path, size: int) -> str:
    """SHA-256 of a file's first bytes, in 64 hexadecimal digits."""
    digest, block = hashlib.sha256(), 1 << 20
    with path.open("rb") as file:
        for start in range(0, size, block):
            digest.update(file.read(min(block, size - start)))
    return digest.hexdigest()
