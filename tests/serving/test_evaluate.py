"""The files of an evaluation, counted again from its list of predictions; classes by folders and by a CSV."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.used import by_hand

from usb_ext.core.errors import SettingsError
from usb_ext.serving.evaluate import FILES, EvaluateOrder, evaluate_run, told_share
from usb_ext.serving.scores import Share

NAMES = ("<dog> & co", "cat")


@pytest.fixture
def order(photo: Path, tmp_path: Path) -> EvaluateOrder:
    return EvaluateOrder(photo, photo.parent / "photos" / "train", tmp_path / "evaluation")


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_numbers_are_those_of_the_saved_weights(order: EvaluateOrder) -> None:
    lines = evaluate_run(order)
    assert {p.name for p in order.out.iterdir()} - {".usb_ext.json"} == {*FILES} - {"bad_files.csv"}
    rows = table(order.out, "predictions.csv")
    assert len(rows) == 12
    expected = by_hand(order.run, [Path(row["file"]) for row in rows])
    told = [NAMES[i] for i in expected.argmax(axis=1)]
    true = [Path(row["file"]).parent.name for row in rows]
    assert [(r["class"], r["true"]) for r in rows] == list(zip(told, true, strict=True))
    hits = sum(a == b for a, b in zip(told, true, strict=True))
    found = json.loads((order.out / "scores.json").read_text())
    assert (found["accuracy"]["hits"], found["accuracy"]["n"]) == (hits, 12)
    counts = [
        [sum((t, p) == (a, b) for t, p in zip(true, told, strict=True)) for b in NAMES]
        for a in NAMES
    ]
    assert found["confusion"] == counts
    assert [[int(r[n]) for n in NAMES] for r in table(order.out, "confusion.csv")] == counts
    percents = [[float(r[n]) for n in NAMES] for r in table(order.out, "confusion_percent.csv")]
    assert np.sum(percents, axis=1) == pytest.approx([100, 100], abs=1e-5)
    assert sum(int(r["images"]) for r in table(order.out, "reliability.csv")) == 12
    assert [r["class"] for r in table(order.out, "per_class.csv")] == list(NAMES)
    assert f"accuracy {100 * hits / 12:.1f} %" in lines[0]


def test_the_worst_are_in_order(order: EvaluateOrder) -> None:
    evaluate_run(order)
    rows = table(order.out, "predictions.csv")
    wrong = [r for r in rows if r["true"] != r["class"]]
    surely = table(order.out, "surely_wrong.csv")
    assert len(surely) == len(wrong)
    assert [float(r["probability"]) for r in surely] == sorted(
        (float(r["probability"]) for r in wrong), reverse=True
    )
    margins = [float(r["margin"]) for r in table(order.out, "least_sure.csv")]
    assert margins == sorted(float(r["margin"]) for r in rows)


def test_a_csv_gives_the_same_as_folders(order: EvaluateOrder, tmp_path: Path) -> None:
    evaluate_run(order)
    flat = tmp_path / "flat"
    flat.mkdir()
    lines = []
    for number, path in enumerate(sorted(order.images.rglob("*.png"))):
        shutil.copy(path, flat / f"{number}.png")
        lines.append(f"{number}.png,{path.parent.name}")
    (tmp_path / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    out = tmp_path / "second"
    evaluate_run(replace(order, images=flat, labels=tmp_path / "labels.csv", out=out))
    first, second = (json.loads((o / "scores.json").read_text()) for o in (order.out, out))
    for key in ("accuracy", "confusion", "per_class"):
        assert first[key] == second[key]
    assert first["calibration_error"] == pytest.approx(second["calibration_error"], abs=1e-6)


def test_bad_files_do_not_count(order: EvaluateOrder, tmp_path: Path) -> None:
    images = Path(shutil.copytree(order.images, tmp_path / "images"))
    (images / "cat" / "bad.png").touch()
    lines = evaluate_run(replace(order, images=images))
    assert "1 of 13 files cannot be decoded" in lines[1]
    found = json.loads((order.out / "scores.json").read_text())
    assert (found["accuracy"]["n"], found["bad_files"]) == (12, 1)
    assert table(order.out, "bad_files.csv")[0]["reason"] == "the file is empty (0 bytes)"
    evaluate_run(replace(order, overwrite=True))
    assert not (order.out / "bad_files.csv").exists()


def test_refused_before_any_work(order: EvaluateOrder, tmp_path: Path) -> None:
    shutil.copytree(order.images, tmp_path / "images")
    (tmp_path / "images" / "cat").rename(tmp_path / "images" / "lynx")
    with pytest.raises(SettingsError, match="no class of the run: lynx"):
        evaluate_run(replace(order, images=tmp_path / "images"))
    assert not order.out.exists()
    order.out.mkdir()
    (order.out / "confusion.csv").write_text("mine")
    with pytest.raises(SettingsError, match=r"confusion\.csv exists already"):
        evaluate_run(order)
    with pytest.raises(SettingsError, match="did not write"):
        evaluate_run(replace(order, overwrite=True))
    assert (order.out / "confusion.csv").read_text() == "mine"


def test_a_share_as_it_is_told() -> None:
    assert told_share(Share(0, 0)) == "not known"
    assert told_share(Share(1, 2)) == "50.0 % (95 % interval 9.5 to 90.5)"  # Wilson's, by hand
