"""A user's own images: `DIR/train/<class>/*`, `DIR/test/<class>/*`, maybe `DIR/unlabeled/*`.

ImageNet's folders have this layout too, with `val` in place of `test`.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.arrays import IMAGENET_MEAN, IMAGENET_STD, ImageArrays, Images
from usb_ext.data.decode import decode_all
from usb_ext.data.folder_scan import FolderScan, Listing
from usb_ext.data.image_cache import CacheFile, cache_files, cache_in_words, cached
from usb_ext.data.streamed import StreamedImages
from usb_ext.settings.networks import Channels

_log = logging.getLogger(__name__)

Look: TypeAlias = tuple[Channels, Channels]
"""Mean and standard deviation of the channels."""


class BadImages(DataMissing):
    """Images that cannot be decoded.

    Args:
        message: the first of them, and what to do.
        reasons: why, by name.
    """

    def __init__(self, message: str, reasons: Mapping[str, str]) -> None:
        super().__init__(message)
        self.reasons = reasons


def load_scanned(
    scan: FolderScan,
    *,
    img_size: int,
    budget_bytes: int = 2**31,
    skip_bad_images: bool = False,
    look: Look = (IMAGENET_MEAN, IMAGENET_STD),
    cache: Path | None = None,
) -> ImageArrays:
    """Load a scanned folder as a data set.

    Both splits are decoded into memory if together they fit the budget; otherwise images are
    decoded each time they are asked for; with `cache` they are decoded once and mapped, whatever the budget
    (`image_cache.py`). Always they are prepared by `decode.prepare_image`.

    Args:
        scan: its files.
        img_size: side of the prepared images in pixels, >= 1.
        budget_bytes: most memory for decoded images, in bytes (img_size**2 * 3 an image).
        skip_bad_images: leave out files that cannot be decoded, before any split, and list them in
            `skipped`. When streaming this takes one pass over all files.
        look: mean and standard deviation of each channel, of pixels in [0, 1]; a folder says nothing of
            them, so they are ImageNet's, or those that the network was made for.
        cache: folder for decoded images.

    Raises:
        DataMissing: a file that cannot be decoded (when streaming without `skip_bad_images`: at the
            access), or a damaged cache.
        SettingsError: img_size below 1, or no room for the cache.
    """
    if img_size < 1:
        raise SettingsError(f"img_size is {img_size}; it must be at least 1 pixel")
    root = scan.root
    need = (len(scan.train.names) + len(scan.test.names)) * img_size * img_size * 3
    in_memory = cache is None and need <= budget_bytes
    if cache is None:
        kept: list[CacheFile | None] = [None, None]
        _log.info("%s: %d bytes decoded, %s", root, need, "in memory" if in_memory else "streamed")
    else:
        kept = cache_files(cache, scan, img_size)
        _log.info("%s", cache_in_words(kept))
    (train, train_bad), (tested, test_bad) = (
        _load(root, split, img_size, in_memory, skip_bad_images)
        if file is None
        else _load_cached(file, skip_bad_images)
        for split, file in zip((scan.train, scan.test), kept, strict=True)
    )
    train_skipped, test_skipped = _skipped(scan.train, train_bad), _skipped(scan.test, test_bad)
    train_kept, test_kept = scan.train.without(train_skipped), scan.test.without(test_skipped)
    return ImageArrays(
        train_images=train,
        train_targets=np.array(train_kept.targets, dtype=np.int64),
        test_images=tested,
        test_targets=np.array(test_kept.targets, dtype=np.int64),
        classes=scan.classes,
        mean=look[0],
        std=look[1],
        hflip=True,
        train_names=train_kept.names,
        skipped=train_skipped | test_skipped,
    )


def _load(
    root: os.PathLike[str], files: Listing, size: int, in_memory: bool, skip_bad: bool
) -> tuple[Images, dict[int, str]]:
    """Images of one split, bad ones left out, and the reason of each bad one by its position."""
    paths = tuple(os.path.join(root, name) for name in files.names)
    if not in_memory and not skip_bad:
        return StreamedImages(paths, size), {}
    if paths:
        _log.info("decoding %d images", len(paths))
    pixels = np.zeros((len(paths), size, size, 3), np.uint8) if in_memory else None
    bad = decode_all(paths, size, pixels)
    if bad:
        _report(files.names, paths, bad, skip_bad)
    good = np.delete(np.arange(len(paths)), list(bad))
    if pixels is None:
        return StreamedImages(paths, size)[good], bad
    return (pixels[good] if bad else pixels), bad


def _load_cached(file: CacheFile, skip_bad: bool) -> tuple[Images, dict[int, str]]:
    """As `_load`, from the file of a cache."""
    mapped, bad = cached(file)
    if bad:
        _report(file.names, file.images, bad, skip_bad)
    good = np.delete(np.arange(len(file.images)), list(bad))
    return StreamedImages(file.images, file.size, good, mapped), bad


def _report(
    names: Sequence[str], paths: Sequence[str], bad: dict[int, str], skip_bad: bool
) -> None:
    """Log the skipped files, or raise if they may not be skipped or nothing is left."""
    position, reason = next(iter(bad.items()))
    more = f" (and {len(bad) - 1} more files)" if len(bad) > 1 else ""
    message = f"cannot decode {paths[position]}: {reason}{more}"
    if not skip_bad:
        remedy = "replace or remove it, or set skip_bad_images: true"
        raise BadImages(f"{message}; {remedy}", {names[n]: why for n, why in bad.items()})
    if len(bad) == len(paths):
        told = f"{message}; that leaves no image in this split"
        raise BadImages(told, {names[n]: why for n, why in bad.items()})
    _log.warning("skipped: %s", message)


def _skipped(files: Listing, bad: dict[int, str]) -> dict[str, str]:
    """Names of the files left out, and why."""
    return {files.names[position]: reason for position, reason in bad.items()}
