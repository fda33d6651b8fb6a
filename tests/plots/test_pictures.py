"""The two pictures of a run: what is drawn from which rows, and that a PNG is written."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from usb_ext.plots.pictures import draw_confusion, draw_curves

ROWS = [
    {"it": 10, "train/total_loss": 3.0, "train/sup_loss": 2.0, "train/util_ratio": 0.25, "lr": 1.0},
    {"it": 20, "train/total_loss": 1.5, "eval/top-1-acc": 0.5},
    {"it": 30, "eval/top-1-acc": 0.75, "train/ac_loss": 0.125},
]


def lines(axes: Any) -> dict[str, list[tuple[float, float]]]:
    return {line.get_label(): [tuple(p) for p in line.get_xydata()] for line in axes.lines}


def test_each_curve_has_the_rows_that_hold_it(drawn: list[Figure]) -> None:
    draw_curves(ROWS, Path("unused"), "my run")
    (figure,) = drawn
    loss, accuracy, used = figure.axes
    assert lines(loss) == {
        "total_loss": [(10, 3.0), (20, 1.5)],
        "sup_loss": [(10, 2.0)],
        "ac_loss": [(30, 0.125)],
    }
    assert lines(accuracy) == {"top-1-acc": [(20, 0.5), (30, 0.75)]}
    assert lines(used) == {"util_ratio": [(10, 0.25)]}
    assert [axes.get_title() for axes in figure.axes][:2] == ["loss", "accuracy"]
    assert accuracy.get_xlabel() == "step"
    assert accuracy.get_ylim() == (0, 1)
    assert loss.get_legend() is not None and accuracy.get_legend() is None
    assert figure.get_suptitle() == "my run"


def test_a_run_without_rows_has_empty_curves(drawn: list[Figure]) -> None:
    draw_curves([], Path("unused"), "empty")
    assert [lines(axes) for axes in drawn[0].axes] == [{}, {}, {}]


def test_rows_of_the_confusion_matrix_are_shares_of_the_true_class(drawn: list[Figure]) -> None:
    confusion = np.array([[3, 1, 0], [0, 0, 0], [0, 998, 2]])
    draw_confusion(confusion, ("cat", "dog", "owl"), Path("unused"))
    (axes,) = drawn[0].axes
    (image,) = axes.images
    wanted = [[0.75, 0.25, 0.0], [0.0, 0.0, 0.0], [0.0, 0.998, 0.002]]
    assert np.allclose(image.get_array(), wanted)
    assert image.get_clim() == (0, 1)
    assert [t.get_text() for t in axes.get_yticklabels()] == ["cat", "dog", "owl"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    texts = {t.get_position(): (t.get_text(), t.get_color()) for t in axes.texts}
    assert texts == {  # column, row; a share below half a percent is not written
        (0, 0): ("75", "white"),
        (1, 0): ("25", "black"),
        (1, 2): ("100", "white"),
    }


def test_classes_without_names_are_numbers(drawn: list[Figure]) -> None:
    draw_confusion(np.eye(3, dtype=int), None, Path("unused"))
    labels = [t.get_text() for t in drawn[0].axes[0].get_xticklabels()]
    assert labels == ["0", "1", "2"]


def test_many_classes_are_drawn_without_text(drawn: list[Figure]) -> None:
    draw_confusion(np.eye(21, dtype=int), None, Path("unused"))
    assert list(drawn[0].axes[0].texts) == []
    draw_confusion(np.eye(20, dtype=int), None, Path("unused"))
    assert len(drawn[1].axes[0].texts) == 20


def test_files_are_pngs_and_nothing_is_drawn_before_the_first_evaluation(tmp_path: Path) -> None:
    draw_confusion(np.zeros(0), None, tmp_path / "none.png")
    assert list(tmp_path.iterdir()) == []
    draw_curves(ROWS, tmp_path / "curves.png", "title")
    draw_confusion(np.eye(2, dtype=int), None, tmp_path / "confusion.png")
    for name in ("curves.png", "confusion.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG\r\n")
