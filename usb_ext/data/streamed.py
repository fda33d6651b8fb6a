"""Images that stay on disk: decoded each time they are asked for, or cut from a file of decoded ones."""

from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from usb_ext.core.errors import DataMissing
from usb_ext.data.decode import BadImage, decode_file
from usb_ext.data.mapped_pixels import MappedPixels

Selection = slice | NDArray[np.int64] | NDArray[np.bool_] | list[int]


class StreamedImages:
    """Stands in for a uint8 array of shape (N, size, size, 3) without holding it.

    A whole number gives that image's pixels; a slice, a list or an array of positions gives another
    `StreamedImages` over those, which shares the file names with this one. Picklable.

    Args:
        paths: image files.
        size: side of the decoded images in pixels.
        positions: which of `paths` are seen, in this order, shape (N,); None for all.
        mapped: the decoded images of all of `paths`; None decodes.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        paths: Sequence[str],
        size: int,
        positions: NDArray[np.int64] | None = None,
        mapped: MappedPixels | None = None,
    ) -> None:
        self.paths = paths
        self.size = size
        self.mapped = mapped
        self._positions = np.arange(len(paths)) if positions is None else positions

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, size, size, 3), as the array it stands for would have."""
        return (len(self), self.size, self.size, 3)

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, key: int | np.integer) -> NDArray[np.uint8]: ...

    @overload
    def __getitem__(self, key: Selection) -> "StreamedImages": ...

    def __getitem__(
        self, key: int | np.integer | Selection
    ) -> "NDArray[np.uint8] | StreamedImages":
        """One image, shape (size, size, 3), or a selection of several without decoding.

        Raises:
            DataMissing: the file cannot be decoded, or the mapped one is damaged; the message names it.
            IndexError: outside 0 to N - 1 (negative positions count from the end).
        """
        if not isinstance(key, int | np.integer):
            return StreamedImages(self.paths, self.size, self._positions[key], self.mapped)
        if self.mapped is not None:
            one = np.array([self._positions[key]], dtype=np.int64)
            return np.asarray(self.mapped.take(one)[0])
        path = self.paths[self._positions[key]]
        try:
            return decode_file(path, self.size)
        except BadImage as error:
            raise DataMissing(
                f"cannot decode {path}: {error}; replace or remove the file, or set "
                "skip_bad_images: true"
            ) from error

    def block(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The images at `positions` (n,), of shape (n, size, size, 3).

        Raises:
            DataMissing: as for one image.
        """
        if self.mapped is not None:
            return self.mapped.take(self._positions[positions])
        return np.stack([self[int(position)] for position in positions])
