"""Rows for a CSV, and runs that take no image files."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from support.used import Brightness, around

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.preprocessing import PointPreprocessing
from usb_ext.serving.run_on_files import (
    as_csv,
    bad_in_a_line,
    bad_rows,
    bar,
    of_images,
    predicted,
    ranked,
)


def test_the_two_most_probable_classes() -> None:
    values = torch.softmax(torch.randn(50, 6, generator=torch.Generator().manual_seed(0)), 1)
    best, top = ranked(values.numpy()), values.double().topk(2, dim=1)
    assert best.first.tolist() == top.indices[:, 0].tolist()
    assert best.second.tolist() == top.indices[:, 1].tolist()
    assert best.probability == pytest.approx(top.values[:, 0].numpy(), abs=0)
    assert best.margin == pytest.approx((top.values[:, 0] - top.values[:, 1]).numpy(), abs=1e-12)


def test_equal_ones_and_one_class_alone() -> None:
    tied = ranked(np.array([[0.25, 0.25, 0.5 - 0.25, 0.25]], np.float32))
    assert (tied.first.tolist(), tied.second.tolist(), tied.margin.tolist()) == ([0], [1], [0])
    alone = ranked(np.ones((2, 1), np.float32))
    assert alone.second.tolist() == [-1, -1] and alone.margin.tolist() == [1, 1]


def test_a_csv_keeps_what_names_may_hold() -> None:
    rows = [['a,"b".png', "cat", 1 / 3], ["line\nbreak.png", "Ähre", 1]]
    text = as_csv(("file", "class", "share"), rows)
    read = list(csv.reader(io.StringIO(text)))
    assert read == [["file", "class", "share"], [*rows[0][:2], "0.333333"], [*rows[1][:2], "1"]]


def test_bad_files_are_counted_and_the_first_are_named() -> None:
    files, bad = [f"{i}.png" for i in range(9)], {7: "empty", 1: "no image", 3: "cut", 5: "cut"}
    assert bad_rows(files, bad)[0] == ["1.png", "no image"] and len(bad_rows(files, bad)) == 4
    line = bad_in_a_line(files, bad, "bad.csv")
    assert line == (
        "4 of 9 files cannot be decoded (1.png: no image; 3.png: cut; 5.png: cut; and 1 more), all in bad.csv"
    )


def test_points_take_no_files() -> None:
    with pytest.raises(SettingsError, match="whose examples are points, and `usb-ext predict`"):
        of_images(around(Brightness(), "ab", PointPreprocessing(2)), "predict")


def test_all_bad_is_an_error(tmp_path: Path) -> None:
    run = around(Brightness(), "ab")
    with pytest.raises(DataMissing, match=r"none of the 2 files .* the first is .*a\.png: "):
        predicted(run, [str(tmp_path / "a.png"), str(tmp_path / "b.png")], 4)
    with pytest.raises(SettingsError, match="--batch-size is 0"):
        predicted(run, [], 0)


def test_no_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with bar(3) as done:
        done(3)
    assert capsys.readouterr() == ("", "")
