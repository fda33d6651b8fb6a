"""What a training set's images are called in files: by position, or by file name.

Find an image by the name a person would write for it.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usb_ext.core.errors import SettingsError

_AMBIGUOUS = -1


def normal_name(name: str) -> str:
    """One spelling for names that look alike: composed letters (NFC) and forward slashes.

    macOS stores an umlaut as two characters, spreadsheets write it as one; Windows writes `\\`.
    """
    return unicodedata.normalize("NFC", name).replace("\\", "/")


class NameIndex:
    """Positions of images by name or by any ending of their path that is unique.

    ours: of `train/cat/01.jpg`, also `cat/01.jpg` and `01.jpg` are understood, as long as no other
    image ends so; a full name always wins.

    Args:
        names: the images' names with `/` between folders; position i belongs to names[i].
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._positions: dict[str, int] = {}
        full = [normal_name(name) for name in names]
        for position, name in enumerate(full):
            cut = name.find("/")
            while cut >= 0:
                ending = name[cut + 1 :]
                known = self._positions.setdefault(ending, position)
                if known != position:
                    self._positions[ending] = _AMBIGUOUS
                cut = name.find("/", cut + 1)
        self._positions.update({name: position for position, name in enumerate(full)})

    def find(self, name: str) -> int:
        """Position of the image called `name`.

        Raises:
            LookupError: no such image, or several; the message says which.
        """
        position = self._positions.get(normal_name(name))
        if position is None:
            odd = any("\udc80" <= letter <= "\udcff" for letter in name)
            why = " (is the list in another encoding than UTF-8?)" if odd else ""
            raise LookupError(f"no training image is called {name!r}{why}")
        if position == _AMBIGUOUS:
            raise LookupError(f"several images are called {name!r}; write its folder too")
        return position


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
