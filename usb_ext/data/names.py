"""Find an image by the name a person would write for it."""

import unicodedata
from collections.abc import Sequence

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
            raise LookupError(f"no training image is called {name!r}")
        if position == _AMBIGUOUS:
            raise LookupError(f"several images are called {name!r}; write its folder too")
        return position
