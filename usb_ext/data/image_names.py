"""What a training set's images are called in files: by position, or by file name."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usb_ext.core.errors import SettingsError
from usb_ext.data.names import NameIndex


@dataclass(frozen=True)
class ImageIds:
    """The images of a training set.

    Attributes:
        count: N.
        names: N file names, or None where the images come from no files.
    """

    count: int
    names: tuple[str, ...] | None = None

    def ids(self) -> NDArray[Any]:
        """What to write into files: the file names where there are some, else the positions; (N,)."""
        if self.names is not None:
            return np.array(self.names, dtype=np.str_)
        return np.arange(self.count, dtype=np.int64)

    def positions(self, ids: NDArray[Any], what: str) -> NDArray[np.int64]:
        """Positions of images by their ids.

        Args:
            ids: (n,) positions (whole numbers) or file names (text), none twice.
            what: the file they stand in, for messages.

        Returns:
            Shape (n,).

        Raises:
            SettingsError: an id that the set does not have: the file belongs to another data set.
        """
        if ids.dtype.kind != "U":
            bad = ids[(ids < 0) | (ids >= self.count)]
            if len(bad):
                raise SettingsError(
                    f"{what}: id {bad[0]} is none of this data set, which has {self.count} training "
                    f"images (0 to {self.count - 1}); {len(bad)} such ids: another data set's file?"
                )
            return ids.astype(np.int64)
        if self.names is None:
            raise SettingsError(
                f"{what}: ids are file names such as {str(ids[0])!r}, but the images of this data set "
                "have none; another data set's file?"
            )
        return self._by_name(ids, what)

    def _by_name(self, ids: NDArray[Any], what: str) -> NDArray[np.int64]:
        index = NameIndex(self.names or ())
        try:
            found = np.array([index.find(str(name)) for name in ids], dtype=np.int64)
        except LookupError as error:
            raise SettingsError(f"{what}: {error.args[0]}; another data set's file?") from error
        if len(np.unique(found)) < len(found):
            raise SettingsError(f"{what}: two of its file names mean the same image")
        return found
