"""What is drawn to measure a run on, and what is never drawn."""

import json
from pathlib import Path

import pytest
from support.images import folder_of_images, picture

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.files import RunFolder
from usb_ext.data.label_csv import label_rows
from usb_ext.labelling.check import draw_check, overlap, read_check, trained_on
from usb_ext.settings import load_settings


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(12):
        picture(tmp_path / "photos" / f"{number:02d}.png", seed=number)
    return tmp_path / "photos"


def drawn(table: Path) -> list[str]:
    return [row.file_name for row in label_rows(table)]


def test_the_labelled_ones_are_never_drawn(photos: Path, tmp_path: Path) -> None:
    labelled = ["00.png", "05.png", "11.png"]
    for seed in range(20):
        table = tmp_path / f"{seed}.csv"
        draw_check(table, photos, 5, seed, labelled)
        assert len(set(drawn(table))) == 5 and not set(drawn(table)) & set(labelled)
    check = read_check(tmp_path / "3.csv")
    assert (check.images, check.seed, check.drawn_from) == (photos.resolve(), 3, 9)
    again = tmp_path / "again.csv"
    draw_check(again, photos, 5, 3, labelled)
    assert again.read_bytes() == (tmp_path / "3.csv").read_bytes()


def test_what_cannot_be_drawn(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--check is 12; use 1 to 11"):
        draw_check(tmp_path / "check.csv", photos, 12, 0, ["00.png"])
    draw_check(tmp_path / "check.csv", photos, 2, 0, [])
    with pytest.raises(SettingsError, match="is there"):
        draw_check(tmp_path / "check.csv", photos, 2, 0, [])


def test_a_check_without_its_record(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="there is no check"):
        read_check(tmp_path / "check.csv")
    (tmp_path / "check.csv").write_text("a.png,cat\n")
    with pytest.raises(DataMissing, match="record of a check"):
        read_check(tmp_path / "check.csv")
    (tmp_path / "check.json").write_text('{"seed": 1}')
    with pytest.raises(DataMissing, match="no record of a check"):
        read_check(tmp_path / "check.csv")


def run_with(tmp_path: Path, **values: object) -> tuple[RunFolder, object]:
    (tmp_path / "run").mkdir()
    return RunFolder(tmp_path / "run"), load_settings(
        None, {"dataset": "imagefolder", **values}
    ).settings


def test_labels_of_a_file_are_its_names(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("a/one.png,cat\na/two.png,\nthree.png,dog\n")
    place, settings = run_with(
        tmp_path, label_split="file", label_file=str(labels), num_classes=2, num_labels=2
    )
    assert trained_on(place, settings) == ["a/one.png", "three.png"]  # type: ignore[arg-type]


def test_positions_are_names_of_the_folder(tmp_path: Path) -> None:
    root = folder_of_images(tmp_path / "data")
    place, settings = run_with(tmp_path, data_dir=str(root), num_classes=2, num_labels=2)
    (place.path / "labelled.json").write_text(json.dumps([0, 7]))
    assert trained_on(place, settings) == ["train/a/000.png", "train/b/001.png"]  # type: ignore[arg-type]


def test_what_cannot_be_told_by_name_is_refused(tmp_path: Path) -> None:
    place, settings = run_with(tmp_path, num_classes=2, num_labels=2, skip_bad_images=True)
    with pytest.raises(SettingsError, match="give --except FILE.csv"):
        trained_on(place, settings)  # type: ignore[arg-type]


def test_images_that_were_labelled_since_are_found(tmp_path: Path) -> None:
    table = tmp_path / "check.csv"
    table.write_text("train/a/1.png,cat\ntrain/a/2.png,cat\ntrain/b/1.png,dog\n")
    assert overlap(table, ["2.png", "train/b/1.png", "9.png"]) == {"train/a/2.png", "train/b/1.png"}
