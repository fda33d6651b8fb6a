"""Images that are kept decoded, as a test or a process that it starts sees them."""

from pathlib import Path
from typing import Any

import numpy as np

from usb_ext.data import image_cache
from usb_ext.data.folder_scan import scan_folder
from usb_ext.data.imagefolder import load_scanned

S = 12
"""Pixels a side."""


def loaded(photos: Path, kept: Path | None, **named: Any) -> Any:
    """A folder's images, by way of what is kept of them in another folder, if one is given."""
    return load_scanned(scan_folder(photos), img_size=S, cache=kept, **named)


def sums(photos: Path, kept: Path) -> tuple[int, int, int]:
    """What a process sees, and how many images it has decoded itself."""
    decoded: list[str] = []
    original = image_cache.decode_all
    image_cache.decode_all = lambda paths, *rest: (decoded.extend(paths), original(paths, *rest))[1]  # type: ignore[assignment]
    try:
        found = loaded(photos, kept)
    finally:
        image_cache.decode_all = original
    images = np.stack(list(found.train_images))
    return int(images.sum()), len(images), len(decoded)
