"""Panels of the decision boundary: which steps, what they hold, and that a resumed run has the same."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from support.run import assert_same_state, checkpoint_of
from support.toy import built_points, run_points

from usb_ext.methods.influence.boundary import SIDE, BoundaryHook, panel_steps, watch_boundary
from usb_ext.methods.influence.hook import example_weights


@pytest.mark.parametrize(
    ("total", "panels", "steps"),
    [(1000, 4, [1, 334, 667, 1000]), (20, 2, [1, 20]), (20, 1, [20]), (2, 4, [1, 2]), (1, 4, [1])],
)
def test_steps_of_the_panels(total: int, panels: int, steps: list[int]) -> None:
    assert panel_steps(total, panels) == steps


def test_a_panel_is_the_networks_view_of_each_node(tmp_path: Path) -> None:
    algorithm = built_points(tmp_path)
    hook = algorithm.hooks_dict["BoundaryHook"]
    weights = torch.rand(50)
    algorithm.hooks_dict["InfluenceWeightingHook"] = SimpleNamespace(weights=weights)
    algorithm.it = 7
    hook.after_train_step(algorithm)
    (panel,) = hook.panels
    assert panel["step"] == 8
    assert torch.equal(panel["weights"], weights) and panel["weights"] is not weights
    x, y = hook.axes()
    points = torch.as_tensor(algorithm.dataset_dict["train_ulb"].data)
    assert x[0] < points[:, 0].min() and x[-1] > points[:, 0].max()
    assert y[0] < points[:, 1].min() and y[-1] > points[:, 1].max()
    for row, column in [(0, 0), (3, 70), (SIDE - 1, 0), (40, SIDE - 1)]:
        node = torch.stack((x[column], y[row]))[None]
        wanted = algorithm.ema_model(node)["logits"].softmax(dim=-1)[0]
        torch.testing.assert_close(panel["probs"][row, column], wanted)
    assert algorithm.ema_model.training


def test_nothing_is_kept_at_other_steps_or_for_images(tmp_path: Path) -> None:
    algorithm = built_points(tmp_path)
    algorithm.it = 1
    algorithm.hooks_dict["BoundaryHook"].after_train_step(algorithm)
    assert algorithm.hooks_dict["BoundaryHook"].panels == []
    assert example_weights(algorithm) is None
    images = SimpleNamespace(data=torch.zeros(3, 8, 8, 3))
    sets = {"train_lb": images, "train_ulb": None}
    assert watch_boundary(SimpleNamespace(dataset_dict=sets)) == []


def test_a_resumed_run_keeps_its_panels_bit_by_bit(tmp_path: Path) -> None:
    run_points(tmp_path / "whole", boundary_panels=8)
    run_points(tmp_path / "cut", boundary_panels=8, stop_after=5)
    run_points(tmp_path / "cut", boundary_panels=8, resume=True)
    whole, cut = checkpoint_of(tmp_path / "whole"), checkpoint_of(tmp_path / "cut")
    panels = whole["usb_ext"]["hooks"]["BoundaryHook"]["panels"]
    assert [panel["step"] for panel in panels] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert_same_state(whole, cut)
    assert (tmp_path / "cut" / "run" / "boundary.png").read_bytes().startswith(b"\x89PNG")


def test_a_new_start_forgets() -> None:
    hook = BoundaryHook(torch.tensor([[0.0, 0.0], [1.0, 2.0]]), [1])
    hook.load_state_dict({"panels": [{"step": 1}]})
    assert hook.state_dict() == {"panels": [{"step": 1}]}
    hook.restart(None, "again")
    assert hook.panels == []
    assert hook.low + hook.high == pytest.approx([-0.1, -0.2, 1.1, 2.2])
