"""Images decoded once and kept: `image_cache` names the folder, each split of a folder has a file there.

What is kept of an image is `decode.decode_file`: all that happens to it before the first random step of any
view. With either `augment` that step is the crop, whose padding `crop_ratio` sets; the Resize before it
leaves a square of `img_size` pixels as it is. So the views are the same bits with and without a cache, and
one file serves runs with any `crop_ratio`.

A file is found by what it was made from: names, sizes and times of change of the image files, `img_size`, the
rule of `decode.py` and the versions of Pillow and its decoders. An image that is added or changed makes
another file; the one before stays for other runs. Only one process makes files in a folder at a time; the
others wait, and find what it made. What a killed one left is removed by the next.
"""

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import features

from usb_ext.core.arrays import blocks
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.files import replace_file
from usb_ext.core.lock import LOCK, locked
from usb_ext.core.outputs import claim_outputs
from usb_ext.data.decode import RULE, decode_all
from usb_ext.data.folder_scan import FolderScan, Listing
from usb_ext.data.mapped_pixels import (
    CHANNELS,
    MappedPixels,
    Written,
    bytes_of,
    read_written,
    write_pixels,
)
from usb_ext.data.npz_file import make_folder

FLAG = "--image_cache"
BLOCK_BYTES = 2**26
"""ours: bytes of images that are decoded, then written, at a time."""
GIGABYTE = 1e9
DECODERS = ("pil", "jpg", "libjpeg_turbo", "jpg_2000", "zlib", "zlib_ng", "libtiff", "webp", "avif")
_LEFT_OVER = re.compile(r"\.images_\d+px_[0-9a-f]{16}\.pixels\.part")
_TOLD = 10
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CacheFile:
    """The file for the images of one split.

    Attributes:
        path: where it lies, or will; the name holds the beginning of the key.
        images: N paths.
        names: theirs below the root.
        size: S in pixels.
        key: SHA-256 of what the images are made from.
    """

    path: Path
    images: tuple[str, ...]
    names: tuple[str, ...]
    size: int
    key: str

    @property
    def bytes(self) -> int:
        """What it takes on disk, but for its record: a few hundred bytes, and those that name bad files."""
        return bytes_of(len(self.images), self.size)

    @property
    def remedy(self) -> str:
        """What helps where it is damaged or somebody else's."""
        return f"delete it, and the next run makes it anew, or name another folder with {FLAG}"


def cache_file(folder: Path, root: Path, files: Listing, size: int) -> CacheFile:
    """The file that holds a split's decoded images; it need not be there.

    Args:
        folder: the setting `image_cache`.
        root: the folder of the images.
        files: of the split.
        size: `img_size` in pixels.
    """
    paths = tuple(os.path.join(root, name) for name in files.names)
    digest = hashlib.sha256(json.dumps([size, _decoders()]).encode())
    for name, path in zip(files.names, paths, strict=True):
        digest.update(f"{name}\0{_state(path)}\n".encode("utf-8", "surrogateescape"))
    key = digest.hexdigest()
    return CacheFile(folder / f"images_{size}px_{key[:16]}.pixels", paths, files.names, size, key)


def cache_files(folder: Path, scan: FolderScan, size: int) -> list[CacheFile | None]:
    """The files of a folder's splits, training and test; None for a split without images.

    Args:
        folder: the setting `image_cache`.
        scan: of the images.
        size: `img_size` in pixels.
    """
    splits = (scan.train, scan.test)
    return [cache_file(folder, scan.root, f, size) if f.names else None for f in splits]


def cache_in_words(files: Sequence[CacheFile | None]) -> str:
    """What a cache of these images takes on disk, or that it is there.

    Args:
        files: as `cache_files` gives them, at least one of them no None.

    Raises:
        SettingsError: the disk has no room for it, or a file stands in its place.
        DataMissing: a file that is damaged or somebody else's.
    """
    wanted = [file for file in files if file is not None]
    folder, size = wanted[0].path.parent, wanted[0].size
    missing = [file for file in wanted if find(file) is None]
    count, need = sum(len(f.images) for f in wanted), sum(f.bytes for f in wanted)
    told = f"image_cache {folder}: {count} images of {size} px, {need} bytes{_giga(need)}"
    if not missing:
        return f"{told}, made before"
    lacking = sum(file.bytes for file in missing)
    free = _free(folder)
    if lacking > free:
        raise SettingsError(
            f"image_cache is {folder}: {sum(len(f.images) for f in missing)} images of {size} px take "
            f"{lacking} bytes{_giga(lacking)}, and {free}{_giga(free)} are free there; name a folder on "
            f"another disk with {FLAG}, use a smaller --img_size, or leave image_cache out"
        )
    return f"{told}, {lacking} of them to be made; {free} are free there{_giga(free)}"


def find(file: CacheFile) -> Written | None:
    """A file that is there and whole; None where it is not there.

    Raises:
        DataMissing: it is damaged, or of something else.
    """
    if not (file.path.exists() or file.path.is_symlink()):
        return None
    written = read_written(file.path, file.remedy)
    if written.record.get("key") != file.key:
        raise DataMissing(f"{file.path} was made from something else; {file.remedy}")
    return written


def cached(file: CacheFile) -> tuple[MappedPixels, dict[int, str]]:
    """A split's images, decoded now if no run has done so.

    Args:
        file: where they are kept.

    Returns:
        The N images, black where they cannot be decoded, and the reason of each such one by its position.

    Raises:
        DataMissing: the file is damaged or somebody else's.
        SettingsError: the folder cannot be made or written into.
        RunFailed: the disk is full.
    """
    written = find(file) or _made(file)
    bad = {int(position): str(why) for position, why in written.record["bad"].items()}
    _check_still_bad(file, list(bad))
    return MappedPixels(written, file.names, file.remedy), bad


def _check_still_bad(file: CacheFile, positions: list[int]) -> None:
    """Refuse a file that lacks images which can be decoded now: a lost permission, a disk that was away."""
    paths = [file.images[position] for position in positions]
    still = decode_all(paths, file.size)
    if good := [path for n, path in enumerate(paths) if n not in still]:
        raise DataMissing(
            f"{file.path} lacks {good[0]}, which could not be decoded then and can be now; {file.remedy}"
        )


def _made(file: CacheFile) -> Written:
    """Make a file, or wait for the process that does."""
    folder = file.path.parent
    make_folder(folder)
    with locked(folder / LOCK, "an image cache", wait=True):
        if (found := find(file)) is not None:
            return found
        _sweep(folder)
        claim_outputs(folder, [file.path.name], FLAG)
        _log.info("decoding %d images into %s", len(file.images), file.path)
        replace_file(file.path, lambda temporary: _write(temporary, file))
    return read_written(file.path, file.remedy)


def _write(path: Path, file: CacheFile) -> None:
    bad: dict[int, str] = {}

    def record() -> Mapping[str, Any]:
        count = len(file.images)
        named = {str(position): why for position, why in bad.items()}
        return {"key": file.key, "images": count, "img_size": file.size, "bad": named}

    write_pixels(path, _parts(file, bad), record)


def _parts(file: CacheFile, bad: dict[int, str]) -> Iterator[NDArray[np.uint8]]:
    """The images, block after block, (n, S, S, 3); those that cannot be decoded are noted."""
    count, size = len(file.images), file.size
    tenth = 1
    for part in blocks(count, size * size * CHANNELS, BLOCK_BYTES):
        pixels = np.zeros((part.stop - part.start, size, size, CHANNELS), np.uint8)
        for position, why in decode_all(file.images[part], size, pixels).items():
            bad[part.start + position] = why
            pixels[position] = 0
        yield pixels
        if part.stop * _TOLD >= tenth * count:
            _log.info("image_cache: %d of %d images", part.stop, count)
            tenth = part.stop * _TOLD // count + 1


def _sweep(folder: Path) -> None:
    """Remove what makers that were killed have left; the folder's lock is held."""
    for entry in folder.iterdir():
        if _LEFT_OVER.fullmatch(entry.name) and entry.is_file():
            _log.info("removed %s, which a stopped run has left", entry)
            entry.unlink()


def _state(path: str) -> str:
    """Size and time of change of a file; of one that cannot be looked at neither."""
    try:
        status = os.stat(path)
    except OSError:
        return "-"
    return f"{status.st_size} {status.st_mtime_ns}"


@cache
def _decoders() -> list[str]:
    """What decodes, each with its version."""
    found = {name: features.version(name) for name in DECODERS}
    return [f"rule {RULE}", *(f"{name} {version}" for name, version in found.items() if version)]


def _free(folder: Path) -> int:
    """Bytes free on the disk of a folder, or of the nearest one above it that exists.

    Raises:
        SettingsError: that one is a file.
    """
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise SettingsError(
            f"image_cache is {folder}, but {place} is a file; name a folder with {FLAG}"
        )
    return shutil.disk_usage(place).free


def _giga(count: int) -> str:
    """A large number of bytes once more, such as " (35.4 GB)"."""
    return f" ({count / GIGABYTE:.1f} GB)" if count >= GIGABYTE / 10 else ""
