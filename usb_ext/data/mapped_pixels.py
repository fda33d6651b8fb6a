"""Decoded images in one file, mapped into memory: pages are read as they are needed, and shared by processes.

The file holds, one after the other, the pixels of N images (uint8, N x S x S x 3), a CRC-32 of each (uint32),
a sealed record (JSON), the record's length (8 bytes, little end first) and a mark. The pixels begin at the
first byte, so that they are mapped as they lie. A file that is not whole has no mark at its end; a byte that
was changed later is noticed when its image is first asked for.
"""

import json
import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usb_ext.core.errors import DataMissing, reason
from usb_ext.core.files import check_seal, sealed

MARK = b"usb_ext pixels 1"
_LENGTH = 8
_END = len(MARK) + _LENGTH
_CRC = np.dtype("<u4")
_LONGEST_RECORD = 2**30
CHANNELS = 3


def bytes_of(count: int, size: int) -> int:
    """Bytes that N images of `size` pixels a side take in a file, but for its record.

    Args:
        count: N.
        size: S in pixels.
    """
    return count * (size * size * CHANNELS + _CRC.itemsize) + _END


@dataclass(frozen=True)
class Written:
    """A whole file of decoded images.

    Attributes:
        path: the file.
        record: what was written with it; `images` and `img_size` are always there.
    """

    path: Path
    record: Mapping[str, Any]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, S, S, 3)."""
        size = int(self.record["img_size"])
        return (int(self.record["images"]), size, size, CHANNELS)


def write_pixels(
    path: Path, parts: Iterable[NDArray[np.uint8]], record: Callable[[], Mapping[str, Any]]
) -> None:
    """Write a file of decoded images, part after part; `core.files.replace_file` gives it its name.

    Args:
        path: where it is written.
        parts: (n, S, S, 3) uint8, together N images.
        record: JSON values, asked for after the last part; `images` and `img_size` among them.

    Raises:
        OSError: no room.
    """
    sums: list[int] = []
    with path.open("wb") as file:
        for part in parts:
            file.write(np.ascontiguousarray(part).data)
            sums += [zlib.crc32(image.tobytes()) for image in part]
        file.write(np.array(sums, _CRC).tobytes())
        text = json.dumps(sealed(record())).encode()
        file.write(text + len(text).to_bytes(_LENGTH, "little") + MARK)


def read_written(path: Path, remedy: str) -> Written:
    """Look at a file of decoded images: its mark, record and length, not its pixels.

    Args:
        path: the file, which exists.
        remedy: what helps where it is damaged or none of ours.

    Raises:
        DataMissing: it cannot be read, is cut short or damaged, or is no such file.
    """
    try:
        with path.open("rb") as file:
            whole = file.seek(0, os.SEEK_END)
            file.seek(max(0, whole - _END))
            end = file.read(_END)
            if len(end) < _END or end[_LENGTH:] != MARK:
                raise ValueError("it is cut short, or usb_ext did not write it")
            length = int.from_bytes(end[:_LENGTH], "little")
            if length > min(whole, _LONGEST_RECORD):
                raise ValueError("its end is damaged")
            file.seek(whole - _END - length)
            found = dict(json.loads(file.read(length)))
        check_seal(found)
        expected = bytes_of(int(found["images"]), int(found["img_size"])) + length
        if whole != expected:
            raise ValueError(f"it has {whole} bytes and not {expected}")
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise DataMissing(f"{path} cannot be used: {reason(error)}; {remedy}") from error
    return Written(path, found)


class MappedPixels:
    """The images of a file, each checked against its CRC-32 when it is first asked for.

    Picklable: what is sent is the file's name, not its pixels.

    Args:
        written: the file.
        names: of the N images, for messages.
        remedy: what helps where the file is damaged.
    """

    def __init__(self, written: Written, names: Sequence[str], remedy: str) -> None:
        self.written, self.names, self.remedy = written, names, remedy
        shape = written.shape
        self._checked = np.zeros(shape[0], np.bool_)
        try:
            self._pixels = np.memmap(written.path, np.uint8, "r", 0, shape)
            at = int(np.prod(shape, dtype=np.int64))
            self._sums = np.memmap(written.path, _CRC, "r", at, shape[:1])
        except (OSError, ValueError) as error:
            raise DataMissing(
                f"{written.path} cannot be mapped: {reason(error)}; {remedy}"
            ) from error

    def __reduce__(self) -> tuple[Any, ...]:
        return MappedPixels, (self.written, self.names, self.remedy)

    def take(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Images at `positions` (n,), a copy of shape (n, S, S, 3).

        Raises:
            DataMissing: an image that is not what was written.
        """
        found: NDArray[np.uint8] = np.asarray(self._pixels[positions])
        for row in np.flatnonzero(~self._checked[positions]):
            position = int(positions[row])
            if zlib.crc32(found[row].tobytes()) != self._sums[position]:
                raise DataMissing(
                    f"{self.written.path} is damaged: its image {position} ({self.names[position]}) is not "
                    f"what was written; {self.remedy}"
                )
            self._checked[position] = True
        return found
