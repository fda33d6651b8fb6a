"""The image files that a command line names: files as they are, folders with all images below them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from usb_ext.core.errors import DataMissing
from usb_ext.data.folder_scan import in_words
from usb_ext.data.image_files import Passed, images_below


@dataclass(frozen=True)
class FoundImages:
    """Images at some places.

    Attributes:
        files: their paths, each once, in the order of the places and sorted within a folder.
        passed: what was passed over in folders.
    """

    files: tuple[str, ...]
    passed: Passed = field(default_factory=Passed)

    @property
    def remarks(self) -> list[str]:
        """Lines on what was passed over; none where nothing was."""
        lines = []
        if self.passed.endings:
            lines.append(f"passed over: {in_words(self.passed.endings)} (no images)")
        if self.passed.special:
            lines.append(f"passed over: {len(self.passed.special)} that are no regular files")
        return lines


def find_images(places: Sequence[str | Path]) -> FoundImages:
    """The images at some places; nothing is opened.

    Args:
        places: files, whatever their ending, and folders.

    Raises:
        DataMissing: a place that is not there or cannot be read, or no image at all.
    """
    passed = Passed()
    found: dict[str, str] = {}
    for place in (Path(p).expanduser() for p in places):
        if place.is_dir():
            names = sorted(image.path for image in images_below(place, passed))
        elif os.path.lexists(place):
            names = [str(place)]
        else:
            raise DataMissing(
                f"{place} does not exist; name image files, or folders that hold some"
            )
        for name in names:
            found.setdefault(os.path.abspath(name), name)
    images = FoundImages(tuple(found.values()), passed)
    if not found:
        told = "; ".join(images.remarks)
        raise DataMissing(
            f"no images in {', '.join(map(str, places))}{f' ({told})' if told else ''}; name image files, "
            "or folders that hold some"
        )
    return images
