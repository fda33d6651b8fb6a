"""`predictions.csv` beside a forward by hand of the saved weights; bad files; what may not be written."""

import csv
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.run import SIX, run
from support.toy import run_points
from support.used import by_hand

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.serving.predict import HEADER, PredictOrder, predict_images


@pytest.fixture
def order(photo: Path, tmp_path: Path) -> PredictOrder:
    return PredictOrder(photo, [str(photo.parent / "photos")], tmp_path / "predictions.csv")


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_the_file_says_what_the_saved_weights_say(order: PredictOrder) -> None:
    lines = predict_images(order)
    header, *rows = rows_of(order.out)
    assert tuple(header) == HEADER and len(rows) == 18
    expected = by_hand(order.run, [Path(row[0]) for row in rows])
    classes = ("<dog> & co", "cat")
    for (_, first, probability, second, margin), shares in zip(rows, expected, strict=True):
        assert (first, second) == (classes[shares.argmax()], classes[shares.argmin()])
        assert float(probability) == pytest.approx(shares.max(), abs=2e-5)
        assert float(margin) == pytest.approx(abs(shares[0] - shares[1]), abs=2e-5)
    assert lines[0].startswith("18 images, ") and str(order.out) in lines[0]


def test_batches_change_nothing(order: PredictOrder, tmp_path: Path) -> None:
    found = []
    for size in (1, 5, 64):
        out = tmp_path / f"{size}.csv"
        predict_images(replace(order, out=out, batch_size=size))
        found.append(rows_of(out))
    for other in found[1:]:
        assert [row[:2] for row in other] == [row[:2] for row in found[0]]
        numbers = [np.array([[float(r[2]), float(r[4])] for r in f[1:]]) for f in (found[0], other)]
        assert numbers[0] == pytest.approx(numbers[1], abs=2e-6)


def test_bad_files_are_listed_and_the_rest_is_predicted(
    order: PredictOrder, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(order.places[0], photos)
    (photos / "empty.jpg").touch()
    (photos / "text.png").write_text("no image")
    os.mkfifo(photos / "pipe.png")
    lines = predict_images(replace(order, places=[str(photos), str(photos / "pipe.png")]))
    listed = tmp_path / "predictions_bad_files.csv"
    assert [row[0].rpartition("/")[2] for row in rows_of(listed)[1:]] == [
        "empty.jpg", "text.png", "pipe.png",
    ]  # fmt: skip
    assert len(rows_of(order.out)) == 1 + 18
    assert any("3 of 21 files cannot be decoded" in line and str(listed) in line for line in lines)
    with pytest.raises(DataMissing, match="none of the 1 files"):
        predict_images(
            replace(order, places=[str(photos / "empty.jpg")], out=tmp_path / "none.csv")
        )
    assert not (tmp_path / "none.csv").exists()


def test_what_is_there_is_replaced_only_when_asked_and_only_ours(order: PredictOrder) -> None:
    predict_images(order)
    before = order.out.read_bytes()
    with pytest.raises(SettingsError, match=r"predictions\.csv exists already; .*--overwrite"):
        predict_images(replace(order, places=["nowhere"]))
    predict_images(replace(order, overwrite=True))
    assert order.out.read_bytes() == before
    foreign = order.out.with_name("mine.csv")
    foreign.write_text("mine")
    with pytest.raises(SettingsError, match="did not write"):
        predict_images(replace(order, out=foreign, overwrite=True))
    assert foreign.read_text() == "mine"


def test_a_list_of_bad_files_goes_when_there_are_none(order: PredictOrder, tmp_path: Path) -> None:
    (tmp_path / "bad.png").touch()
    predict_images(replace(order, places=[*order.places, str(tmp_path / "bad.png")]))
    listed = tmp_path / "predictions_bad_files.csv"
    assert listed.exists()
    predict_images(replace(order, overwrite=True))
    assert not listed.exists()


def test_sorted_copies(order: PredictOrder, tmp_path: Path) -> None:
    lines = predict_images(replace(order, sort_into=tmp_path / "sorted"))
    assert lines[-1] == f"18 copied into {tmp_path / 'sorted'}, 0 were there already"
    counts = {row[1]: 0 for row in rows_of(order.out)[1:]}
    for row in rows_of(order.out)[1:]:
        counts[row[1]] += 1
    found = {f.name: len(list(f.iterdir())) for f in (tmp_path / "sorted").iterdir()}
    assert found == counts
    with pytest.raises(SettingsError, match="a later call would take"):
        inside = Path(order.places[0]) / "sorted"
        predict_images(replace(order, overwrite=True, sort_into=inside))


def test_a_folder_that_was_moved_predicts_the_same(order: PredictOrder, tmp_path: Path) -> None:
    predict_images(order)
    moved = tmp_path / "elsewhere" / "my run"
    shutil.copytree(order.run, moved)
    predict_images(replace(order, run=moved, out=tmp_path / "b.csv"))
    assert (tmp_path / "b.csv").read_bytes() == order.out.read_bytes()


def test_runs_that_cannot_be_used(order: PredictOrder, tmp_path: Path) -> None:
    def message(error: type[Exception], folder: Path) -> str:
        with pytest.raises(error) as caught:
            predict_images(replace(order, run=folder))
        assert "\n" not in str(caught.value) and not order.out.exists()
        return str(caught.value)

    assert "nowhere does not exist" in message(DataMissing, Path("nowhere"))
    begun = Path(shutil.copytree(order.run, tmp_path / "begun"))
    for path in begun.glob("*.pth"):
        path.unlink()
    assert "has no checkpoint latest_model.pth (yet)" in message(DataMissing, begun)
    damaged = Path(shutil.copytree(order.run, tmp_path / "damaged"))
    (damaged / "latest_model.pth").write_bytes(b"PK")
    assert "is not a whole checkpoint" in message(DataMissing, damaged)
    run_points(tmp_path / "points", **SIX)
    assert "whose examples are points" in message(SettingsError, tmp_path / "points" / "run")


def test_a_name_that_is_no_utf8_is_written_as_it_is(order: PredictOrder, tmp_path: Path) -> None:
    source = next(Path(order.places[0]).rglob("*.png")).read_bytes()
    name = os.path.join(os.fsencode(tmp_path), b"caf\xe9, 1.png")
    with open(name, "wb") as file:
        file.write(source)
    predict_images(replace(order, places=[os.fsdecode(name)]))
    assert b'"' + name + b'",' in order.out.read_bytes()


def test_an_unfinished_run_predicts(order: PredictOrder, tmp_path: Path) -> None:
    run(tmp_path, stop_after=3, **SIX)
    predict_images(replace(order, run=tmp_path / "run"))
    assert len(rows_of(order.out)) == 19
