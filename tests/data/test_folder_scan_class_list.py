"""A class list: its order numbers the classes, and whatever is wrong with it is named with its line."""

import unicodedata
from pathlib import Path

import pytest

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.folder_scan import ClassList, read_class_list


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "classes.txt"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_names_stand_in_the_files_order_with_their_lines(
    tmp_path: Path, ending: str, encoding: str
) -> None:
    lines = ["n02", "# a comment", "", "  n01 ", "big cat", ""]
    found = read_class_list(written(tmp_path, ending.join(lines), encoding), 3)
    assert found.names == ("n02", "n01", "big cat")
    assert found.lines == (1, 4, 5)


def test_two_spellings_are_one_name(tmp_path: Path) -> None:
    apart, composed = unicodedata.normalize("NFD", "bär"), unicodedata.normalize("NFC", "bär")
    assert apart != composed
    assert read_class_list(written(tmp_path, f"{apart}\nemu\n"), 2).names == (composed, "emu")
    with pytest.raises(SettingsError, match="line 2: 'bär' already stands on line 1"):
        read_class_list(written(tmp_path, f"{apart}\n{composed}\n"), 2)


def test_every_repeated_class_is_named_with_both_lines(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_class_list(written(tmp_path, "a\nb\na\n\nb\na\n"), 2)
    for clause in ("line 3: 'a' already stands on line 1", "line 5: 'b'", "line 6: 'a'"):
        assert clause in str(caught.value)
    assert caught.value.exit_code == 2


def test_many_problems_are_cut_to_ten(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_class_list(written(tmp_path, "a\n" * 14), 1)
    assert str(caught.value).count("already stands") == 10 and "and 3 more" in str(caught.value)


@pytest.mark.parametrize("text", ["", "\n \n", "# only a comment\n"])
def test_a_list_without_a_class(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"classes\.txt names no class; expected one class"):
        read_class_list(written(tmp_path, text), 2)


@pytest.mark.parametrize("asked", [2, 4])
def test_the_number_of_classes_must_be_the_settings(tmp_path: Path, asked: int) -> None:
    with pytest.raises(SettingsError) as caught:
        read_class_list(written(tmp_path, "a\nb\n\nc\n"), asked)
    message = str(caught.value)
    assert f"num_classes is {asked}" in message and "names 3 (the last on line 4)" in message
    assert "--num_classes 3" in message


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.txt", tmp_path):
        with pytest.raises(DataMissing, match=f"cannot read class list {path}: .*--class_list"):
            read_class_list(path, 2)
    with pytest.raises(SettingsError, match="is not UTF-8"):
        read_class_list(written(tmp_path, "bär\n", "latin-1"), 1)


def test_classes_without_a_folder_are_named_with_line_and_folder() -> None:
    listed = ClassList(Path("list.txt"), ("a", "b", "c"), (1, 3, 4))
    listed.check_folders(Path("train"), {"c", "b", "a", "more"})
    with pytest.raises(SettingsError) as caught:
        listed.check_folders(Path("train"), {"b"})
    assert "list.txt: line 1: no folder train/a; line 4: no folder train/c" in str(caught.value)
