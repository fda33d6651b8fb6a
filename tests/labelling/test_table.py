"""Answers: on disk at once, merged, never lost."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from labelling.conftest import NAMES, Asked

from usb_ext.core.errors import DataMissing, RunFailed, SettingsError
from usb_ext.data.label_csv import LabelRow, label_rows
from usb_ext.labelling import table as module
from usb_ext.labelling.label_studio import read_tasks, write_tasks
from usb_ext.labelling.table import Stale, check_names, image_files, new_table, open_table


def test_an_answer_is_on_disk_and_read_again(asked: Asked) -> None:
    table = open_table(asked.table, ["cat", "dög"])
    table.answer(1, "dög", False, 0)
    table.answer(3, "cat", True, 1)
    assert asked.lines == [
        "id,class",
        "a/one.png,",
        "a/two.jpg,dög",
        "three.tif,",
        "vier ü.webp,cat",
        "five.bmp,",
    ]
    again = open_table(asked.table, [])
    assert again.classes == ["dög", "cat"] and again.labelled == 2
    assert [row.unsure for row in again.rows] == [False, False, False, True, False]
    again.answer(3, "", False, 0)
    assert asked.lines[4] == "vier ü.webp,"


def test_a_stale_answer_gives_way_and_the_same_one_does_not_matter(asked: Asked) -> None:
    table = open_table(asked.table, ["cat", "dog"])
    seen = table.version
    table.answer(0, "cat", False, seen)
    with pytest.raises(Stale):
        table.answer(0, "dog", False, seen)
    assert table.rows[0].label == "cat"
    table.answer(0, "cat", False, seen)
    table.answer(1, "dog", False, seen)
    table.answer(0, "dog", False, table.version)
    assert [row.label for row in table.rows[:2]] == ["dog", "dog"]


def test_many_at_once_lose_nothing(asked: Asked) -> None:
    many = asked.table.with_name("many.csv")
    new_table(many, [f"{n}.png" for n in range(40)])
    table = open_table(many, ["a", "b"])

    def work(part: int) -> None:
        for number in range(part, 40, 4):
            table.answer(number, "ab"[number % 2], False, 0)

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row.label for row in open_table(many, []).rows] == ["a", "b"] * 20


def test_what_cannot_be_written_is_not_taken(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    table = open_table(asked.table, ["cat"])

    def full(*_: object) -> None:
        raise RunFailed("no room")

    monkeypatch.setattr(module, "write_text", full)
    with pytest.raises(RunFailed, match="no room"):
        table.answer(0, "cat", False, 0)
    assert table.rows[0].label == "" and table.version == 0


def test_classes_are_added_once_and_kept(asked: Asked) -> None:
    table = open_table(asked.table, ["cat"])
    for name in ("dog", " cat ", "do\u0308g"):
        table.add_class(name)
    assert table.classes == ["cat", "dog", "do\u0308g"]
    assert open_table(asked.table, []).classes == ["cat", "dog", "do\u0308g"]
    for wrong in ("", "-1", "a\nb"):
        with pytest.raises(SettingsError, match="cannot name a class"):
            table.add_class(wrong)


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "names no image"), ("id,class\na,b,c\n", "line 2"), ("id,class\na,\na,cat\n", "line 3")],
    ids=["empty", "three", "twice"],
)
def test_a_wrong_table_is_one_line(asked: Asked, text: str, words: str) -> None:
    asked.table.write_text(text)
    with pytest.raises(SettingsError, match=words):
        open_table(asked.table, [])


def test_answers_that_cannot_be(asked: Asked) -> None:
    table = open_table(asked.table, ["cat"])
    with pytest.raises(SettingsError, match="none of cat"):
        table.answer(0, "cow", False, 0)
    with pytest.raises(SettingsError, match="there is no image 5"):
        table.answer(5, "cat", False, 0)
    with pytest.raises(SettingsError, match="is there"):
        new_table(asked.table, NAMES)


def test_files_are_found_by_name_and_by_ending(asked: Asked) -> None:
    table = open_table(asked.table, [])
    assert image_files(table, asked.images, NAMES) == [asked.images / name for name in NAMES]
    table.rows[0].name = "one.png"
    assert image_files(table, asked.images, NAMES)[0] == asked.images / "a/one.png"
    table.rows[0].name = "gone.png"
    with pytest.raises(DataMissing, match=r"gone\.png"):
        image_files(table, Path("photos"), NAMES)


def test_a_check_is_drawn_from_what_is_not_labelled() -> None:
    names = [f"d/{n}.png" for n in range(30)]
    labelled = [f"{n}.png" for n in range(10)]
    drawn = check_names(names, 20, 3, labelled)
    assert sorted(drawn) == sorted(names[10:])
    assert check_names(names, 5, 3, labelled) == check_names(names, 5, 3, labelled)
    often = np.zeros(30)
    for seed in range(600):
        often[[names.index(name) for name in check_names(names, 5, seed, labelled)]] += 1
    assert (often[:10] == 0).all()
    assert scipy.stats.chisquare(often[10:]).pvalue > 1e-4
    for count in (0, 21):
        with pytest.raises(SettingsError, match="use 1 to 20"):
            check_names(names, count, 0, labelled)
    with pytest.raises(SettingsError, match="gone"):
        check_names(names, 1, 0, ["gone.png"])


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    head = b"\xef\xbb\xbfsep=;\r\nfile;class;camera;note\r\n"
    path.write_bytes(
        head + b'b.png;;Canon;"x; y"\r\n\r\na.png;cat;Nikon;z\r\nc.png\r\nd.png;-1;;\r\n'
    )
    table = open_table(path, ["dog"])
    assert [row.name for row in table.rows] == ["b.png", "a.png", "c.png", "d.png"]
    table.answer(0, "dog", False, 0)
    table.answer(1, "", False, 1)
    table.answer(2, "cat", False, 2)
    wanted = b'b.png;dog;Canon;"x; y"\r\n\r\na.png;;Nikon;z\r\nc.png;cat\r\nd.png;-1;;\r\n'
    assert path.read_bytes() == head + wanted
    assert [row.class_name for row in label_rows_of(path)] == ["dog", "cat"]


def label_rows_of(path: Path) -> list[LabelRow]:
    """What training reads, once the line of one cell alone has got its class."""
    return [row for row in label_rows(path) if row.has_label]


def test_a_name_that_is_no_utf8_is_kept_byte_for_byte(tmp_path: Path) -> None:
    path, name = tmp_path / "to_label.csv", os.fsdecode(b"b\xe4r.png")
    new_table(path, [name])
    open_table(path, ["cat"]).answer(0, "cat", True, 0)
    assert path.read_bytes() == b"id,class\nb\xe4r.png,cat\n"
    again = open_table(path, [])
    assert (again.rows[0].name, again.rows[0].label, again.rows[0].unsure) == (name, "cat", True)
    assert [row.file_name for row in label_rows(path)] == [name]
    write_tasks(tmp_path / "tasks.json", {name: "cat"})
    assert read_tasks(tmp_path / "tasks.json") == {name: "cat"}


def test_what_another_program_wrote_meanwhile_is_not_overwritten(asked: Asked) -> None:
    table = open_table(asked.table, ["cat"])
    table.answer(0, "cat", False, 0)
    edited = asked.table.read_text(encoding="utf-8").replace("five.bmp,", "five.bmp,dog")
    asked.table.write_text(edited, encoding="utf-8")
    with pytest.raises(RunFailed, match="changed by another program"):
        table.answer(1, "cat", False, 1)
    assert asked.table.read_text(encoding="utf-8") == edited
    assert table.rows[1].label == "" and table.version == 1
