"""Folders of images: classes, names and splits, and the layouts that are refused."""

import os
import unicodedata
from pathlib import Path

import pytest

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.folder_scan import ClassList, evaluation_folder, scan_folder


def make(root, *names):
    """Empty files: a scan reads names only."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def test_classes_names_and_targets_in_sorted_order(tmp_path):
    make(tmp_path, "train/dog/b.png", "train/cat/Z.JPG", "train/cat/deep/a.webp", "train/new.bmp")
    make(tmp_path, "unlabeled/x/y/1.gif", "unlabelled/2.gif", "test/dog/1.png", "test/cat/2.png")
    scan = scan_folder(tmp_path)
    assert scan.classes == ("cat", "dog")
    assert list(zip(scan.train.names, scan.train.targets, strict=True)) == [
        ("train/cat/Z.JPG", 0),
        ("train/cat/deep/a.webp", 0),
        ("train/dog/b.png", 1),
        ("train/new.bmp", -1),
        ("unlabeled/x/y/1.gif", -1),
        ("unlabelled/2.gif", -1),
    ]
    assert scan.test.names == ("test/cat/2.png", "test/dog/1.png")
    assert scan.test.targets == (0, 1)


def test_hidden_and_other_files_are_passed_over(tmp_path, caplog):
    make(tmp_path, "train/cat/1.png", "train/cat/.2.png", "train/cat/note.txt", "train/.git/a.png")
    make(tmp_path, "train/cat/.thumbs/a.png", "train/.DS_Store", "test/cat/1.png", "test/stray.png")
    scan = scan_folder(tmp_path)
    assert scan.train.names == ("train/cat/1.png",)
    assert scan.test.names == ("test/cat/1.png",)
    assert "1 images directly in" in caplog.text


def test_classes_from_a_label_file(tmp_path):
    make(tmp_path, "train/1.png", "train/2.png", "test/cat/1.png", "test/emu/1.png")
    scan = scan_folder(tmp_path, ["emu", "cat", "dog"])
    assert scan.classes == ("cat", "dog", "emu")
    assert scan.train.targets == (-1, -1)
    assert scan.test.targets == (0, 2)
    make(tmp_path, "train/bee/1.png")
    assert scan_folder(tmp_path, ["emu", "cat"]).classes == ("bee", "cat", "emu")


def test_two_spellings_of_a_class_are_one(tmp_path):
    apart = unicodedata.normalize("NFD", "bär")
    make(tmp_path, f"train/{apart}/1.png", "test/bär/1.png")
    scan = scan_folder(tmp_path)
    assert scan.classes == ("bär",)
    assert scan.test.targets == (0,)


def test_links_are_followed_but_not_in_circles(tmp_path):
    make(tmp_path, "train/cat/1.png", "test/cat/1.png", "elsewhere/2.png")
    os.symlink(tmp_path / "elsewhere", tmp_path / "train/cat/more")
    os.symlink(tmp_path / "train/cat", tmp_path / "train/cat/again")
    assert scan_folder(tmp_path).train.names == ("train/cat/1.png", "train/cat/more/2.png")


@pytest.mark.parametrize(
    ("names", "folders", "message"),
    [
        ((), (), r"no folder .*/train; expected DIR/train/<class>"),
        (("train/cat/1.png",), (), r"no folder .*/test; expected"),
        (("train/cat/1.png",), ("test",), r"no class folders in .*/test"),
        (("train/1.png", "test/cat/1.png"), (), r"no class folders in .*/train and no label file"),
        (("train/cat/1.png", "test/dog/1.png"), (), r"test/dog: train has no such class.*cat"),
        (("train/cat/1.png", "test/cat/1.png"), ("train/dog",), r"no images in .*/train/dog"),
        (("train/cat/1.png", "test/cat/a.txt"), (), r"no images in .*/test/cat"),
    ],
)
def test_errors_name_the_path_and_the_layout(tmp_path, names, folders, message):
    make(tmp_path, *names)
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(DataMissing, match=message) as caught:
        scan_folder(tmp_path)
    assert "DIR/unlabeled/" in str(caught.value)


def test_missing_root(tmp_path):
    with pytest.raises(DataMissing, match=r"no folder .*nowhere"):
        scan_folder(tmp_path / "nowhere")


def listing(*names):
    return ClassList(Path("list.txt"), names, tuple(range(1, len(names) + 1)))


IMAGENET = ("train/n03/a.JPEG", "train/n01/a.JPEG", "train/n02/a.JPEG", "val/n01/b.JPEG")


def test_a_class_list_numbers_its_classes_and_leaves_the_others_out(tmp_path):
    make(tmp_path, *IMAGENET, "val/n02/b.JPEG", "val/n03/b.JPEG", "train/free.JPEG")
    scan = scan_folder(tmp_path, only=listing("n03", "n01"))
    assert scan.classes == ("n03", "n01")
    assert dict(zip(scan.train.names, scan.train.targets, strict=True)) == {
        "train/free.JPEG": -1, "train/n01/a.JPEG": 1, "train/n03/a.JPEG": 0,
    }  # fmt: skip
    assert dict(zip(scan.test.names, scan.test.targets, strict=True)) == {
        "val/n01/b.JPEG": 1, "val/n03/b.JPEG": 0,
    }  # fmt: skip


def test_a_listed_class_must_have_both_folders(tmp_path):
    make(tmp_path, *IMAGENET)
    with pytest.raises(SettingsError, match=r"line 2: no folder .*/train/n9; correct the list"):
        scan_folder(tmp_path, only=listing("n01", "n9"))
    with pytest.raises(SettingsError, match=r"line 1: no folder .*/val/n02"):
        scan_folder(tmp_path, only=listing("n02", "n01"))


def test_a_label_file_may_name_a_listed_class_that_has_no_folder(tmp_path):
    make(tmp_path, *IMAGENET, "train/free.JPEG", "val/n7/b.JPEG")
    assert scan_folder(tmp_path, ["n7"], listing("n7", "n01")).classes == ("n7", "n01")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("test/cat/1.png", "val/cat/1.png"), "test"),
        (("test/1.png", "val/cat/1.png"), "val"),
        (("val/cat/1.png",), "val"),
        (("val/1.png",), "val"),
        (("test/1.png",), "test"),
        ((), "test"),
    ],
)
def test_val_stands_in_for_a_test_folder_without_classes(tmp_path, names, expected):
    assert evaluation_folder(make(tmp_path, *names)) == expected


def test_a_flat_validation_folder_is_named(tmp_path):
    make(tmp_path, "train/cat/1.png", "val/ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(DataMissing, match=r"no class folders in .*/val; expected"):
        scan_folder(tmp_path)


def test_a_folder_without_a_test_split(tmp_path):
    """A mistake, unless it is said; then nothing is read of one, and classes are as needed as ever."""
    make(tmp_path, "train/cat/1.png", "train/2.png")
    with pytest.raises(DataMissing, match=r"no folder .*test.*--without_test true"):
        scan_folder(tmp_path)
    for test in ("none", "if there"):
        scan = scan_folder(tmp_path, test=test)
        assert scan.classes == ("cat",) and scan.train.targets == (-1, 0) and scan.test.names == ()
    make(tmp_path, "test/cat/3.png")
    assert scan_folder(tmp_path, test="none").test.names == ()
    assert scan_folder(tmp_path, test="if there").test.names == ("test/cat/3.png",)


def test_images_alone_need_no_classes(tmp_path):
    make(tmp_path, "train/1.png", "test/2.png")
    scan = scan_folder(tmp_path, test="if there", need_classes=False)
    assert scan.classes == () and scan.train.names == ("train/1.png",) and scan.test.names == ()
    with pytest.raises(DataMissing, match="no class folders in .*train"):
        scan_folder(tmp_path, test="none")


@pytest.mark.parametrize(
    "name", ["Unlabeled", "UNLABELLED", "train_unlabeled", "unlabeled-train", "train/unlabeled"]
)
def test_folders_without_classes_are_read_in_other_spellings(tmp_path, name):
    make(tmp_path, "train/cat/1.png", "test/cat/1.png", f"{name}/deep/2.png")
    scan = scan_folder(tmp_path)
    assert scan.classes == ("cat",) and scan.unused == ()
    found = dict(zip(scan.train.names, scan.train.targets, strict=True))
    assert found == {"train/cat/1.png": 0, f"{name}/deep/2.png": -1}


def test_a_class_called_unlabeled_is_one_where_the_test_split_has_it(tmp_path):
    make(
        tmp_path,
        "train/cat/1.png",
        "train/unlabeled/2.png",
        "test/cat/1.png",
        "test/unlabeled/3.png",
    )
    assert scan_folder(tmp_path).classes == ("cat", "unlabeled")


def test_a_plain_folder_of_images_is_read_at_any_depth(tmp_path):
    make(tmp_path, "1.png", "phone/2024-01/2.png", "phone/note.txt")
    scan = scan_folder(tmp_path, test="if there", need_classes=False)
    assert scan.train.names == ("1.png", "phone/2024-01/2.png") and scan.train.targets == (-1, -1)
    assert scan.passed.endings == {".txt": 1}
    labelled = scan_folder(tmp_path, ["a", "b"], test="none")
    assert labelled.classes == ("a", "b") and labelled.train.names == scan.train.names


def test_images_without_classes_alone_are_read_at_any_depth(tmp_path):
    make(tmp_path, "unlabeled/a/b/1.png", "other/2.png")
    scan = scan_folder(tmp_path, test="if there", need_classes=False)
    assert scan.train.names == ("unlabeled/a/b/1.png",) and scan.unused == ("other",)


def test_a_folder_without_any_image_is_refused_with_what_it_holds(tmp_path):
    make(tmp_path, "train/cat/1.heic", "test/cat/1.png")
    with pytest.raises(
        DataMissing, match=r"no images in .*cat \(it holds 1 .heic, which are not read\)"
    ):
        scan_folder(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataMissing, match="no images in .*empty"):
        scan_folder(tmp_path / "empty", test="if there", need_classes=False)


def test_another_capital_in_test_is_named(tmp_path):
    make(tmp_path, "train/ship/1.png", "test/Ship/1.png")
    with pytest.raises(DataMissing, match=r"'ship' and 'Ship' are two names"):
        scan_folder(tmp_path)
