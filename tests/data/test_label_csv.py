"""Lines of a label CSV: header, byte order mark, blank and wrong lines."""

import os

import pytest

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.files import write_text
from usb_ext.data.image_names import NameIndex
from usb_ext.data.label_csv import label_rows


def written(tmp_path, text, name="labels.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def test_lines_cells_and_blank_lines(tmp_path):
    path = written(tmp_path, 'a.jpg, cat\r\n\r\n"b, c.jpg",dog\r\nd.jpg,"big cat"\r\n')
    found = [(row.line, row.file_name, row.class_name) for row in label_rows(path)]
    assert found == [(1, "a.jpg", "cat"), (3, "b, c.jpg", "dog"), (4, "d.jpg", "big cat")]


@pytest.mark.parametrize("header", ["file name,class", "Filename,Label", "image , category"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_header_and_byte_order_mark(tmp_path, header, encoding):
    rows = label_rows(written(tmp_path, f"{header}\nä.jpg,cat\n", encoding=encoding))
    assert [(row.line, row.file_name) for row in rows] == [(2, "ä.jpg")]


def test_a_file_whose_class_is_called_class_is_no_header(tmp_path):
    assert len(label_rows(written(tmp_path, "a.jpg,class\n"))) == 1


@pytest.mark.parametrize("line", ["b.jpg", "b.jpg;dog", "b.jpg,dog,3", ",dog"])
def test_a_line_without_two_cells_is_named(tmp_path, line):
    with pytest.raises(SettingsError, match=r"labels.csv, line 2: .*file name,class"):
        label_rows(written(tmp_path, f"a.jpg,cat\n{line}\n"))


def test_unreadable_files(tmp_path):
    with pytest.raises(DataMissing, match=r"nothing\.csv"):
        label_rows(tmp_path / "nothing.csv")
    with pytest.raises(SettingsError, match="not UTF-8"):
        label_rows(written(tmp_path, "a.jpg,bär\n", encoding="latin-1"))
    with pytest.raises(SettingsError, match="not UTF-8"):
        label_rows(written(tmp_path, "a.jpg,cat\n", encoding="utf-16"))
    with pytest.raises(SettingsError, match="line 2"):
        label_rows(written(tmp_path, 'a.jpg,cat\n"b.jpg"x,cat\n'))
    with pytest.raises(SettingsError, match=r"'\.txt'; expected \.csv"):
        label_rows(written(tmp_path, "a.jpg,cat\n", name="labels.txt"))


@pytest.mark.parametrize(
    "text", ["file;class\nä, b.jpg;cat\n", "sep=;\nä, b.jpg;cat\n", "file\tclass\nä, b.jpg\tcat\n"]
)
def test_a_spreadsheets_delimiter_is_read(tmp_path, text):
    """Excel writes semicolons where the comma is the decimal sign."""
    rows = label_rows(written(tmp_path, text, encoding="utf-8-sig"))
    assert [(row.file_name, row.class_name) for row in rows] == [("ä, b.jpg", "cat")]


@pytest.mark.parametrize(
    "header", ["image_id,label", "Id,Category", "img_path,class_id", "ImageID,labels", "id,y"]
)
def test_headers_of_other_programs_are_no_labels(tmp_path, header):
    assert [row.line for row in label_rows(written(tmp_path, f"{header}\n1,cat\n"))] == [2]


@pytest.mark.parametrize("line", ["image.png,label", "cat_01,label", "17,class", "name,cat"])
def test_what_only_resembles_a_header_is_a_label(tmp_path, line):
    assert [row.line for row in label_rows(written(tmp_path, f"{line}\n"))] == [1]


def test_a_line_without_end_is_quoted_in_part(tmp_path):
    path = written(tmp_path, "a.jpg,cat\n" + "[" * 100_000 + "\n")
    with pytest.raises(SettingsError) as caught:
        list(label_rows(path))
    assert len(str(caught.value)) < 300 + len(str(path)) and "is not two cells" in str(caught.value)


def test_a_file_name_that_is_no_utf8_is_read_as_the_disk_has_it(tmp_path):
    name = os.fsdecode(b"b\xe4r.jpg")
    path = tmp_path / "labels.csv"
    write_text(path, f"id,class\n{name},cat\n")
    assert b"b\xe4r.jpg" in path.read_bytes()
    assert [(row.file_name, row.class_name) for row in label_rows(path)] == [(name, "cat")]
    assert NameIndex(["train/a.jpg", f"train/{name}"]).find(name) == 1


def test_columns_after_the_second_are_passed_over_where_a_header_names_them(tmp_path):
    text = "file;class;note\na.jpg;cat;x\nb.jpg;;\nc.jpg;dog;\n"
    rows = label_rows(written(tmp_path, text))
    assert [(row.file_name, row.class_name) for row in rows] == [
        ("a.jpg", "cat"), ("b.jpg", ""), ("c.jpg", "dog"),
    ]  # fmt: skip
