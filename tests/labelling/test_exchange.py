"""Answers that come from and go to files of other programs."""

import json
from pathlib import Path

import pytest
from labelling.conftest import NAMES, Asked

from usb_ext.core.errors import SettingsError
from usb_ext.labelling import table as module
from usb_ext.labelling.exchange import give_answers, take_answers
from usb_ext.labelling.table import CLASSES, open_table


def test_a_csv_goes_out_and_comes_in_again(asked: Asked, tmp_path: Path) -> None:
    first = open_table(asked.table, ["cat", "dog"])
    first.answer(0, "cat", False, 0)
    first.answer(2, "dog", True, 1)
    give_answers(first, tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "id,class" and len(lines) == 1 + len(NAMES)
    with pytest.raises(SettingsError, match="out.csv"):
        give_answers(first, tmp_path / "out.csv")
    first.answer(0, "", False, 2)
    assert take_answers(first, tmp_path / "out.csv") == 2
    assert [row.label for row in first.rows] == ["cat", "", "dog", "", ""]
    assert first.rows[2].unsure
    give_answers(first, tmp_path / "out.json")
    assert len(json.loads((tmp_path / "out.json").read_text())) == len(NAMES)


def test_many_answers_are_one_write(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written: list[Path] = []
    plain = module.write_text
    monkeypatch.setattr(module, "write_text", lambda p, t: (written.append(p), plain(p, t)))
    (tmp_path / "in.csv").write_text("".join(f"{n},new {len(n) % 2}\n" for n in NAMES), "utf-8")
    table = open_table(asked.table, [])
    assert take_answers(table, tmp_path / "in.csv") == len(NAMES)
    assert written.count(asked.table) == 1
    assert set(table.classes) == {f"new {len(n) % 2}" for n in NAMES}
    again = open_table(asked.table, [])
    assert [row.label for row in again.rows] == [f"new {len(n) % 2}" for n in NAMES]
    kept = (asked.table.parent / CLASSES).read_text(encoding="utf-8").splitlines()
    assert kept == table.classes


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("{0},cat\nnowhere.png,dog\n", "nowhere.png"),
        ("{0},cat\n{0},dog\n", "'cat' and 'dog' for"),
        ("{0},cat\n{1},zebra\n", "'zebra' for .* none of cat, dog; mend it"),
    ],
)
def test_a_file_that_is_wrong_changes_nothing(
    asked: Asked, tmp_path: Path, lines: str, words: str
) -> None:
    (tmp_path / "in.csv").write_text(lines.format(*NAMES), encoding="utf-8")
    before = asked.table.read_bytes()
    table = open_table(asked.table, ["cat", "dog"])
    with pytest.raises(SettingsError, match=words):
        take_answers(table, tmp_path / "in.csv")
    assert asked.table.read_bytes() == before
    assert not table.labelled and table.version == 0
