"""A damaged `data.json` is none: what it tells of is then not checked, and that is said."""

import json
from pathlib import Path

import pytest

from usb_ext.data.fingerprint import Fingerprint, read_fingerprint, write_fingerprint

WHOLE = Fingerprint("images", {"a/1.png": "10"}, classes=["a"], inputs={"label_file": "ab"})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_fingerprint(tmp_path, WHOLE)
    assert read_fingerprint(tmp_path) == WHOLE


@pytest.mark.parametrize(
    "part", ["kind", "train", "test", "classes", "inputs", "modules", "versions"]
)
@pytest.mark.parametrize("value", [None, 3, 0.5, [1], {"a": 1}, {"a": {}}])
def test_a_part_of_another_kind_makes_it_none(tmp_path: Path, part: str, value: object) -> None:
    write_fingerprint(tmp_path, WHOLE)
    path = tmp_path / "data.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), part: value}))
    assert read_fingerprint(tmp_path) is None
