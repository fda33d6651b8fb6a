"""Decode many image files at once."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from usb_ext.data.decode import BadImage, decode_file

_CHUNK = 64  # files a task: enough to hide the pool's overhead
_MOST_THREADS = 8  # Pillow decodes outside Python's lock, so threads are enough
_log = logging.getLogger(__name__)


def decode_all(
    paths: Sequence[str], size: int, out: NDArray[np.uint8] | None = None
) -> dict[int, str]:
    """Decode every file; keep the pixels in `out`, or only check the files if it is None.

    Args:
        paths: N image files.
        size: side of the decoded images in pixels.
        out: uint8, shape (N, size, size, 3), filled where decoding succeeds.

    Returns:
        Reason by position, in ascending order, for each file that cannot be decoded.
    """

    def task(start: int) -> dict[int, str]:
        """Decode one chunk."""
        bad: dict[int, str] = {}
        for position in range(start, min(start + _CHUNK, len(paths))):
            try:
                pixels = decode_file(paths[position], size)
            except BadImage as error:
                bad[position] = str(error)
                continue
            if out is not None:
                out[position] = pixels
        return bad

    if paths:
        _log.info("decoding %d images", len(paths))
    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        parts = pool.map(task, range(0, len(paths), _CHUNK))
        return {position: reason for part in parts for position, reason in part.items()}
