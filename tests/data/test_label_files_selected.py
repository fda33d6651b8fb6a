"""`selected.json`: written, read, and used as the labelled part of a run."""

import json
from pathlib import Path

import numpy as np
import pytest

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.label_files import Selected, read_label_file, read_selected, write_selected

NAMES = ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "new/3.jpg")
TARGETS = np.array([0, 0, 1, -1])


@pytest.mark.parametrize("ids", [[2, 0, 1], ["b.jpg", "a.jpg"]])
def test_what_is_written_is_read(tmp_path: Path, ids: list[int] | list[str]) -> None:
    given = Selected(ids, list(range(len(ids))), [f"{i}" for i in ids], "usl", 4, "pets")
    write_selected(tmp_path / "deep" / "s.json", given)
    assert vars(read_selected(tmp_path / "deep" / "s.json")) == vars(given)
    content = json.loads((tmp_path / "deep" / "s.json").read_text())
    assert content["order"] == list(range(len(ids))) and content["ids"] == ids


def test_a_runs_list_of_positions_is_a_selection_too(tmp_path: Path) -> None:
    path = tmp_path / "labelled.json"
    path.write_text("[5, 3]\n")
    found = read_selected(path)
    assert found.ids == [5, 3] and found.cluster == [-1, -1] and found.files is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "holds no selection"),
        ("[]", "holds no selection"),
        ('{"ids": 3}', "holds no selection"),
        ('[1, "a"]', "all positions or all file names"),
        ("[1, true]", "all positions or all file names"),
        ("[1, 2, 1]", "id 1 stands there more than once"),
        ("[1,", "is not JSON"),
    ],
)
def test_what_is_no_selection(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "s.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_selected(path)


def test_a_missing_selection(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"cannot read selection .*none\.json"):
        read_selected(tmp_path / "none.json")


@pytest.mark.parametrize("ids", [[2, 0], ["dog/1.jpg", "cat/1.jpg"]])
def test_a_run_takes_its_images_with_the_classes_of_the_data_set(
    tmp_path: Path, ids: list[int] | list[str]
) -> None:
    write_selected(tmp_path / "s.json", Selected(ids, [0, 1]))
    found, classes = read_label_file(
        tmp_path / "s.json", targets=TARGETS, classes=("cat", "dog"), names=NAMES
    )
    assert found.tolist() == [2, 0] and classes is None


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([9], "entry 1: 9 is outside 0 to 3"),
        (["cow.jpg"], "entry 1: no training image is called 'cow.jpg'"),
        (["3.jpg"], "entry 1: the class of image 3.jpg is not known; use a .csv"),
        (["cat/1.jpg", "dog/1.jpg", "cat/1.jpg"], "entry 3: cat/1.jpg already stands at entry 1"),
    ],
)
def test_images_that_a_run_cannot_take(tmp_path: Path, ids: list[object], message: str) -> None:
    (tmp_path / "s.json").write_text(json.dumps({"ids": ids}))
    with pytest.raises(SettingsError, match=message):
        read_label_file(tmp_path / "s.json", targets=TARGETS, classes=("cat", "dog"), names=NAMES)
