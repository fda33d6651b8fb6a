"""What stands in `boundary.png`: points, shades, regions and lines."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from support.toy import run_points

from usb_ext.methods.influence.boundary import SIDE, BoundaryHook
from usb_ext.training.report import draw_boundary

POINTS = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))
    return figures


def algorithm(classes: int, weights: list[torch.Tensor | None]) -> Any:
    """A run whose network puts the boundary of classes 0 and 1 at x = 0.5."""
    hook = BoundaryHook(POINTS, [1])
    x, _ = hook.axes()
    second = torch.sigmoid(20 * (x - 0.5)).expand(SIDE, SIDE)
    probs = torch.zeros(SIDE, SIDE, classes)
    probs[..., 0], probs[..., 1] = 1 - second, second
    hook.panels = [{"step": i, "probs": probs, "weights": w} for i, w in enumerate(weights)]
    labelled = SimpleNamespace(data=POINTS[:2], targets=np.array([0, 1]))
    sets = {"train_lb": labelled, "train_ulb": SimpleNamespace(data=POINTS)}
    return SimpleNamespace(hooks_dict={"BoundaryHook": hook}, dataset_dict=sets)


def test_points_are_shaded_by_their_weights_on_one_scale(drawn: list[Figure]) -> None:
    first, second = torch.tensor([1.0, 1, 1, 1]), torch.tensor([0.0, 0.5, 1.0, 1.75])
    draw_boundary(algorithm(2, [first, second]), Path("unused"))
    (figure,) = drawn
    for axes, weights in zip(figure.axes[:2], (first, second), strict=True):
        (unlabelled,) = [c for c in axes.collections if len(c.get_offsets()) == 4]
        assert np.allclose(unlabelled.get_offsets(), POINTS)
        assert np.allclose(unlabelled.get_array(), weights)
        assert unlabelled.get_clim() == (0, 1.75)
        labelled = [
            c for c in axes.collections if len(c.get_offsets()) == 1 and c.get_array() is None
        ]
        places = {tuple(np.asarray(c.get_offsets())[0]) for c in labelled}
        assert {(0.0, 0.0), (1.0, 1.0)} <= places
    assert [axes.get_title() for axes in figure.axes[:2]] == ["step 0", "step 1"]


@pytest.mark.parametrize("classes", [2, 3])
def test_the_line_is_where_the_predicted_class_changes(drawn: list[Figure], classes: int) -> None:
    draw_boundary(algorithm(classes, [None]), Path("unused"))
    axes = drawn[0].axes[0]
    (line,) = [c for c in axes.collections if c.get_linewidths()[0] == 1.6]
    vertices = np.concatenate([path.vertices for path in line.get_paths() if len(path.vertices)])
    assert np.allclose(vertices[:, 0], 0.5, atol=1.3 / SIDE)
    (unlabelled,) = [c for c in axes.collections if len(c.get_offsets()) == 4]
    assert np.asarray(unlabelled.get_array()).tolist() == [1, 1, 1, 1]


def test_runs_on_points_have_the_picture_and_others_not(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    draw_boundary(SimpleNamespace(hooks_dict={}), Path("unused"))
    assert drawn == []


def test_five_panels_of_a_run(tmp_path: Path) -> None:
    run_points(tmp_path, boundary_panels=5)
    assert (tmp_path / "run" / "boundary.png").read_bytes().startswith(b"\x89PNG")
