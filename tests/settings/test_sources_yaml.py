"""YAML: plain values only, errors of one line with file and line number."""

from pathlib import Path

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings.sources import named, read_scalar, read_yaml


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def failure(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        read_yaml(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(str(path))
    return text.removeprefix(str(path))


def test_values_keep_their_types(tmp_path: Path) -> None:
    text = "lr: 5e-05\nepoch: 100\namp: False\nclip: 0.0\ngpu: None\nurl: tcp://127.0.0.1:10068\n"
    content = read_yaml(write(tmp_path, text))
    assert content == {
        "lr": 0.00005,
        "epoch": 100,
        "amp": False,
        "clip": 0.0,
        "gpu": "None",
        "url": "tcp://127.0.0.1:10068",
    }
    assert type(content["lr"]) is float


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbfepoch: 2\r\nlr: 0.1\r\n")
    assert read_yaml(path) == {"epoch": 2, "lr": 0.1}


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("epoch: 1\nlr: 0.1\nepoch: 2\n", 3, "epoch"),
        ("lr: 0.1\nepoch: [1, 2\n", 3, "expected"),
        ("lr: !!python/object/apply:os.system ['true']\n", 1, "tag"),
        ("lr: 1\nx: !mine 3\n", 2, "tag"),
        ("a: 1\n---\nb: 2\n", 2, "document"),
        ("lr:\t0.1\n", 1, "token"),
        ("lr: *other\n", 1, "other"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, text: str, line: int, word: str) -> None:
    said = failure(write(tmp_path, text))
    assert said.startswith(f":{line}: ")
    assert word in said


def test_a_tag_runs_nothing(tmp_path: Path) -> None:
    made = tmp_path / "made"
    failure(write(tmp_path, f"lr: !!python/object/apply:pathlib.Path.mkdir ['{made}']\n"))
    assert not made.exists()


@pytest.mark.parametrize("text", ["", "# nothing\n", "- 1\n- 2\n", "just text\n", "3\n"])
def test_a_file_without_settings_is_an_error(tmp_path: Path, text: str) -> None:
    assert "name: value" in failure(write(tmp_path, text))


@pytest.mark.parametrize("text", ["1: 2\n", "True: 1\n", "[a]: 1\n"])
def test_keys_are_names(tmp_path: Path, text: str) -> None:
    assert "key" in failure(write(tmp_path, text))


@pytest.mark.parametrize("text", ["a: 2020-13-45\n", "a: '\x01'\n"])
def test_values_that_the_reader_cannot_make_are_errors(tmp_path: Path, text: str) -> None:
    assert len(failure(write(tmp_path, text))) > 2


def test_a_file_in_another_encoding_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"save_name: caf\xe9\n")
    assert "utf-8" in failure(path)


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    assert "No such file" in failure(tmp_path / "none.yaml")
    assert "directory" in failure(tmp_path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5e-05", 5e-05),
        ("1e5", 1e5),
        ("-100", -100),
        ("0.5", 0.5),
        ("True", True),
        ("false", False),
        ("null", None),
        ("", None),
        ("None", "None"),
        ("off", "off"),
        ("[a, b]", ["a", "b"]),
        ("tcp://127.0.0.1:1", "tcp://127.0.0.1:1"),
    ],
)
def test_scalars(text: str, value: object) -> None:
    read = read_scalar(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("text", ["@x", "*x", "a: b", "{a: 1}", "2020-01-02", "2020-13-45", "[a"])
def test_what_is_no_plain_value_stays_text(text: str) -> None:
    assert read_scalar(text) == text


def test_named_makes_a_copy() -> None:
    content = {"a": 1}
    copy = named(content, "here")
    copy["b"] = 2
    assert content == {"a": 1}
    with pytest.raises(SettingsError, match="here: got the key 1"):
        named({1: 2}, "here")
