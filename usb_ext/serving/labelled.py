"""Images whose class is known, to measure a run by: in class folders, or named in a CSV."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.folders import told
from usb_ext.data.image_files import Passed, images_below, images_directly_in, subfolders
from usb_ext.data.image_names import NameIndex, normal_name
from usb_ext.data.label_csv import has_label, label_rows
from usb_ext.serving.places import FoundImages


@dataclass(frozen=True)
class Labelled:
    """Images with a class.

    Attributes:
        files: n paths.
        targets: n class numbers, in the order of the run's classes.
        remarks: lines on what was passed over.
    """

    files: tuple[str, ...]
    targets: tuple[int, ...]
    remarks: tuple[str, ...] = ()


def in_class_folders(root: Path, classes: Sequence[str]) -> Labelled:
    """The images in `root/<class>/`, at any depth below.

    Args:
        root: the folder.
        classes: of the run, K names.

    Raises:
        DataMissing: no such folder, no class folder in it, or no image in those.
        SettingsError: folders of classes that the run does not know.
    """
    _check_folder(root)
    numbers = {normal_name(name): number for number, name in enumerate(classes)}
    folders = subfolders(root)
    if not folders:
        raise DataMissing(
            f"no class folders in {root}; expected {root}/<class>/*, or name the classes of its images with "
            "--labels FILE.csv"
        )
    strange = [folder.name for folder in folders if normal_name(folder.name) not in numbers]
    if strange:
        raise SettingsError(
            f"{root} has folders that are no class of the run: {told(strange)}; its classes are "
            f"{_told_classes(classes)}"
        )
    passed, found = Passed(), list[tuple[str, int]]()
    for folder in folders:
        images = sorted(image.path for image in images_below(folder, passed))
        found += [(path, numbers[normal_name(folder.name)]) for path in images]
    remarks = FoundImages((), passed).remarks
    if not found:
        raise DataMissing(
            f"no images in the class folders of {root} ({'; '.join(remarks) or 'empty'})"
        )
    if stray := images_directly_in(root):
        remarks.append(f"{len(stray)} images directly in {root} have no class and are left out")
    return _labelled(found, classes, remarks)


def named_in_csv(root: Path, csv_file: Path, classes: Sequence[str]) -> Labelled:
    """The images below `root` that a label CSV (`file name,class`) gives a class.

    Args:
        root: the folder.
        csv_file: names images by their path below `root`, or any ending of it that is unique.
        classes: of the run, K names.

    Raises:
        DataMissing: no such folder or file, or no line with a class.
        SettingsError: a class that the run does not know, an image that is not there, or one twice.
    """
    _check_folder(root)
    numbers = {normal_name(name): number for number, name in enumerate(classes)}
    paths = sorted(image.path for image in images_below(root))
    start = len(os.path.join(root, ""))
    index = NameIndex([path[start:].replace(os.sep, "/") for path in paths])
    rows = label_rows(csv_file)
    found: dict[int, int] = {}
    for row in rows:
        name = normal_name(row.class_name)
        if name not in numbers and not has_label(row.class_name):
            continue
        at = f"label file {csv_file}, line {row.line}"
        if name not in numbers:
            raise SettingsError(
                f"{at}: {row.class_name!r} is no class of the run; its classes are "
                f"{_told_classes(classes)}"
            )
        try:
            position = index.find(row.file_name)
        except LookupError as error:
            said = str(error.args[0]).replace("training image", f"image in {root}")
            raise SettingsError(f"{at}: {said}") from error
        if found.setdefault(position, numbers[name]) != numbers[name]:
            raise SettingsError(f"{at}: {row.file_name!r} has two classes")
    if not found:
        raise DataMissing(f"label file {csv_file} gives no image a class")
    remarks = []
    if others := len(paths) - len(found):
        remarks.append(f"{others} images in {root} have no class in {csv_file} and are left out")
    return _labelled([(paths[p], target) for p, target in sorted(found.items())], classes, remarks)


def _check_folder(root: Path) -> None:
    if not root.is_dir():
        raise DataMissing(f"no folder {root}; give a folder of images whose classes are known")


def _labelled(
    found: Sequence[tuple[str, int]], classes: Sequence[str], remarks: Sequence[str]
) -> Labelled:
    files, targets = zip(*found, strict=True)
    absent = [name for number, name in enumerate(classes) if number not in set(targets)]
    more = [f"no images of: {told(absent)}"] if absent else []
    return Labelled(files, targets, (*remarks, *more))


def _told_classes(classes: Sequence[str]) -> str:
    more = f" and {len(classes) - 10} more" if len(classes) > 10 else ""
    return ", ".join(classes[:10]) + more
