"""Images with a class, in folders or in a CSV; classes that the run does not know are refused."""

import unicodedata
from pathlib import Path

import pytest
from support.images import picture

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.serving.labelled import in_class_folders, named_in_csv

CLASSES = ("birch", "oak", "Ähre")


def photos(root: Path, *names: str) -> Path:
    for name in names:
        picture(root / name)
    return root


def test_class_folders(tmp_path: Path) -> None:
    folder = unicodedata.normalize("NFD", "Ähre")
    root = photos(tmp_path, "oak/2.png", "oak/deep/1.png", f"{folder}/1.png", "stray.png")
    (root / "oak" / "x.txt").touch()
    found = in_class_folders(root, CLASSES)
    names = [str(Path(path).relative_to(root)) for path in found.files]
    pairs = dict(zip(names, found.targets, strict=True))
    assert pairs == {"oak/2.png": 1, "oak/deep/1.png": 1, f"{folder}/1.png": 2}
    assert found.remarks == (
        "passed over: 1 .txt (no images)",
        f"1 images directly in {root} have no class and are left out",
        "no images of: birch",
    )


def test_folders_that_are_no_class(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="no folder"):
        in_class_folders(tmp_path / "none", CLASSES)
    with pytest.raises(DataMissing, match="no class folders in .* --labels FILE.csv"):
        in_class_folders(photos(tmp_path / "flat", "1.png"), CLASSES)
    with pytest.raises(
        SettingsError, match="no class of the run: Oak, elm; its classes are birch, oak"
    ):
        in_class_folders(photos(tmp_path / "other", "oak/1.png", "elm/1.png", "Oak/1.png"), CLASSES)
    (tmp_path / "empty" / "oak").mkdir(parents=True)
    with pytest.raises(DataMissing, match="no images in the class folders"):
        in_class_folders(tmp_path / "empty", CLASSES)


def test_a_csv_names_images_by_any_ending_of_their_path(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos", "a/1.png", "a/2.png", "b/1.png", "b/3.png")
    labels = tmp_path / "labels.csv"
    labels.write_text("file name,class\na/1.png,oak\n2.png,birch\nb/3.png,\n", encoding="utf-8")
    found = named_in_csv(root, labels, CLASSES)
    assert [Path(f).relative_to(root).as_posix() for f in found.files] == ["a/1.png", "a/2.png"]
    assert found.targets == (1, 0)
    assert found.remarks == (
        f"2 images in {root} have no class in {labels} and are left out", "no images of: Ähre",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a/1.png,elm\n", "line 1: 'elm' is no class of the run; its classes are birch, oak, Ähre"),
        ("a/9.png,oak\n", "line 1: no image in .* is called 'a/9.png'"),
        ("1.png,oak\n", "line 1: several images are called '1.png'"),
        ("a/1.png,oak\na/1.png,birch\n", "line 2: 'a/1.png' has two classes"),
    ],
)
def test_lines_that_are_wrong(tmp_path: Path, text: str, said: str) -> None:
    root = photos(tmp_path / "photos", "a/1.png", "b/1.png")
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=said):
        named_in_csv(root, tmp_path / "labels.csv", CLASSES)


def test_a_csv_without_classes(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos", "a/1.png")
    (tmp_path / "labels.csv").write_text("a/1.png,\n")
    with pytest.raises(DataMissing, match="gives no image a class"):
        named_in_csv(root, tmp_path / "labels.csv", CLASSES)
