"""Records and archives whose bytes are not those that were written; pipes in the place of files."""

import json
import os
import zlib
from pathlib import Path

import pytest
import torch

from usb_ext.core.files import (
    broken_part,
    check_seal,
    file_crc32,
    json_of,
    read_json,
    sealed,
    text_of,
)

RECORD = {"top1_last": 0.912, "path": "é", "labelled": {"counts": [1, 2]}, "none": None}


def test_a_sealed_record_comes_back_and_any_changed_value_is_noticed() -> None:
    text = json.dumps(sealed(RECORD), indent=2)
    check_seal(json.loads(text))
    for before, after in (("0.912", "0.812"), ("1,", "3,"), ("null", "true"), ('"path"', '"Path"')):
        assert before in text
        with pytest.raises(ValueError, match="not those that were written"):
            check_seal(json.loads(text.replace(before, after, 1)))


def test_a_record_of_an_older_version_has_no_seal() -> None:
    check_seal(RECORD)
    assert {k: v for k, v in sealed(RECORD).items() if k in RECORD} == RECORD


def test_a_pipe_is_read_by_nobody(tmp_path: Path) -> None:
    """A reader of one would wait for ever; with a time limit of the suite's the test could only hang."""
    os.mkfifo(tmp_path / "a.json")
    for read in (text_of, json_of):
        with pytest.raises(OSError, match="it is no file"):
            read(tmp_path / "a.json")
    (tmp_path / "b.json").write_text("\ufeff{}")
    assert json_of(tmp_path / "b.json") == read_json(tmp_path / "b.json", "it", "") == {}


def test_a_json_of_many_levels_is_a_value_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        json_of(tmp_path / "a.json")


def test_a_flipped_bit_in_an_archive_is_found(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"a": torch.arange(1000)}, path)
    assert broken_part(path) is None
    content = bytearray(path.read_bytes())
    content[content.index(torch.arange(100, 110).numpy().tobytes())] ^= 1
    path.write_bytes(content)
    assert str(broken_part(path)).endswith("data/0")
    (tmp_path / "text").write_text("no archive")
    assert broken_part(tmp_path / "text") is None


def test_the_crc_of_a_file_is_that_of_its_lines_one_by_one(tmp_path: Path) -> None:
    lines, found = [b"first\n", b"second\n"], 0
    for line in lines:
        found = zlib.crc32(line, found)
    (tmp_path / "a").write_bytes(b"".join(lines))
    assert file_crc32(tmp_path / "a") == found
    assert file_crc32(tmp_path / "none") == 0
