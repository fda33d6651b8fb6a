"""From an image file to a square RGB image: one rule, whether images are cached or streamed.

ours: EXIF orientation applied; transparency laid on white; 16-bit values divided by 257 and
floating-point ones stretched from their own minimum and maximum (Pillow would clip both at 255);
first frame of an animation; the largest centred square, resized with Pillow's bilinear filter.

Many files at once, by threads.
"""

import os
import stat
import struct
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

# What Pillow's readers raise on broken files, as seen on files damaged at random.
_DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)

_CHUNK = 64  # files a task: enough to hide the pool's overhead
_MOST_THREADS = 8  # Pillow decodes outside Python's lock, so threads are enough

RULE = 1
"""Number of this module's rule; another one when it makes other pixels of a file, so that kept ones are not
taken for them."""


class BadImage(ValueError):
    """A file that cannot be decoded; the message is the reason, without the file's name."""


def prepare_image(image: Image.Image, size: int) -> Image.Image:
    """An opened image as an RGB square of `size` pixels a side, by the rule of this module."""
    return ImageOps.fit(upright_rgb(image), (size, size), method=Image.Resampling.BILINEAR)


def upright_rgb(image: Image.Image) -> Image.Image:
    """An opened image as 8-bit RGB, turned as its EXIF orientation says, of its own size."""
    return _to_rgb(ImageOps.exif_transpose(image))


def decode_file(path: str | os.PathLike[str], size: int) -> NDArray[np.uint8]:
    """Pixels of an image file: uint8, shape (size, size, 3).

    Raises:
        BadImage: missing, empty, truncated, no image, or more pixels than Pillow allows.
    """
    with opened(path) as image:
        return np.array(prepare_image(image, size))


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

    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        parts = pool.map(task, range(0, len(paths), _CHUNK))
        return {position: reason for part in parts for position, reason in part.items()}


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """An image file, open inside; what goes wrong there with decoding it is said as a reason.

    Raises:
        BadImage: as in `decode_file`, or the path is of no regular file, which might never end.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise BadImage("not a regular file")
        with Image.open(path) as image:
            yield image
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        empty = os.path.getsize(path) == 0
        reason = "the file is empty (0 bytes)" if empty else "not an image that Pillow can read"
        raise BadImage(reason) from error
    except Image.DecompressionBombError as error:
        raise BadImage(f"too many pixels for Pillow's safety limit: {error}") from error
    except _DECODE_ERRORS as error:
        raise BadImage(f"{type(error).__name__}: {error}") from error


@cache
def image_extensions() -> frozenset[str]:
    """Lower-case file name endings, with the dot, of the formats Pillow can open."""
    formats = Image.registered_extensions()
    return frozenset(ending for ending, name in formats.items() if name in Image.OPEN)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any of Pillow's modes as 8-bit RGB."""
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_to_eight_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        return white.convert("RGB")
    return image.convert("RGB")


def _to_eight_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Grey values of more than 8 bits, shape (H, W), as 0 to 255."""
    wide = values.astype(np.float64)
    if values.dtype.kind == "f":
        wide = np.nan_to_num(wide, posinf=0.0, neginf=0.0)
        low, high = wide.min(), wide.max()
        wide = (wide - low) * (65535 / (high - low)) if high > low else np.zeros_like(wide)
    return np.rint(wide.clip(0, 65535) / 257).astype(np.uint8)
