"""Label Studio's JSON, as its documentation shows it, read and written."""

import json
from pathlib import Path
from typing import Any

import pytest

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.labelling.label_studio import read_tasks, write_tasks


def task(image: str, *choices: str, **annotation: Any) -> dict[str, Any]:
    result = [
        {
            "from_name": "choice",
            "to_name": "image",
            "type": "choices",
            "value": {"choices": list(choices)},
        }
    ]
    return {
        "id": 1,
        "data": {"image": image},
        "annotations": [{"id": 7, "result": result, **annotation}],
    }


def test_an_export_is_read(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    tasks = [
        task("/data/upload/3/ab12-one.jpg", "cat"),
        task("/data/local-files/?d=a/two%20b.png", "dog"),
        task("http://host/c/three.png", "cow", was_cancelled=True),
        {"data": {"image": "four.png"}, "annotations": []},
        {"image": "five.png", "choice": "cat", "id": 5},
    ]
    path.write_text(json.dumps(tasks))
    wanted = {"data/upload/3/ab12-one.jpg": "cat", "a/two b.png": "dog", "five.png": "cat"}
    assert read_tasks(path) == wanted


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    answers = {"a/ü 1.jpg": "cat", "b.png": "", "c#?.png": "d,g"}
    write_tasks(tmp_path / "t.json", answers)
    content = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert [len(one["annotations"]) for one in content] == [1, 0, 1]
    assert read_tasks(tmp_path / "t.json") == {"a/ü 1.jpg": "cat", "c#?.png": "d,g"}


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "not JSON"), ("{}", "no list of tasks"), ("[1]", "no list of tasks")],
    ids=["cut", "object", "numbers"],
)
def test_other_files_are_one_line(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(SettingsError, match=words):
        read_tasks(tmp_path / "t.json")


def test_several_choices_and_no_image_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps([task("a.png", "cat"), task("b.png", "cat", "dog")]))
    with pytest.raises(SettingsError, match="task 2 has 2 choices"):
        read_tasks(path)
    path.write_text(json.dumps([{**task("a.png", "cat"), "data": {}}]))
    with pytest.raises(SettingsError, match="task 1 names no image"):
        read_tasks(path)
    with pytest.raises(DataMissing, match="nowhere"):
        read_tasks(tmp_path / "nowhere.json")
