"""The numbers behind LayerMatch's reasons (Sec. 4), each against an oracle, and a run that logs them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.run import assert_same_state, checkpoint_of, metrics_of, run
from support.usb import FAST, batch, build, our_class
from torch import nn

from usb_ext.methods.layermatch.mechanism import (
    PREFIX,
    MechanismHook,
    consistency_slope,
    head_gradients,
)
from usb_ext.methods.named import NAMED
from usb_ext.methods.step.base import Weak

EVALUATED = {"eval/top-1-acc": 0.5}


def test_a_terms_gradient_is_softmax_less_label_times_feature() -> None:
    torch.manual_seed(0)
    head, h = nn.Linear(4, 3).double(), torch.randn(5, 4, dtype=torch.float64)
    y = torch.tensor([0, 2, 1, 1, 0])
    loss = nn.functional.cross_entropy(head(h), y)
    terms = {"sup_loss": 3 * loss, "ac_loss": h.sum(), "none": (h.clone().requires_grad_()).sum()}
    found = head_gradients(terms, [head.weight, head.bias])
    residual = (head(h).softmax(1) - nn.functional.one_hot(y, 3)) / 5
    wanted = 3 * torch.cat(((residual.T @ h).flatten(), residual.sum(0))).detach()
    torch.testing.assert_close(found["sup_loss"], wanted)
    assert not found["ac_loss"].any() and not found["none"].any()
    assert head.weight.grad is None
    loss.backward()  # the graph is still there


class Plane(nn.Module):
    """A linear network, or one with a bend, from (n, 2) to C logits."""

    def __init__(self, weight: torch.Tensor, bend: bool = False) -> None:
        super().__init__()
        self.weight, self.bend = weight, bend

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": (x.sin() if self.bend else x) @ self.weight.T}


def test_for_two_classes_the_quantity_is_the_theorems() -> None:
    """P = 1 / (1 + exp(beta x)) with M(x) = x: P (1 - P) |beta|_1 (Eqs. 3 and 7)."""
    beta = torch.tensor([0.5, -2.0], dtype=torch.float64)
    x = torch.tensor([[1.0, 0.2], [-0.3, 0.8], [0.0, 0.0]], dtype=torch.float64)
    network = Plane(torch.stack((-beta, torch.zeros_like(beta))))  # class 0 has the theorem's P
    values, slopes = consistency_slope(network, x)
    p = 1 / (1 + (x @ beta).exp())
    torch.testing.assert_close(values, p * (1 - p) * 2.5)
    torch.testing.assert_close(slopes, torch.full_like(p, 2.5))


def test_for_more_classes_it_is_the_slope_of_the_predicted_probability() -> None:
    torch.manual_seed(1)
    network = Plane(torch.randn(4, 2, dtype=torch.float64), bend=True)
    x, h = torch.randn(6, 2, dtype=torch.float64), 1e-6
    values, _ = consistency_slope(network, x)
    k = network(x)["logits"].argmax(1, keepdim=True)

    def probability(at: torch.Tensor) -> torch.Tensor:
        return network(at)["logits"].softmax(1).gather(1, k).squeeze(1)

    steps = torch.eye(2, dtype=torch.float64) * h
    slopes = [(probability(x + s) - probability(x - s)).abs() / (2 * h) for s in steps]
    torch.testing.assert_close(values, sum(slopes), rtol=1e-6, atol=1e-9)
    sure = consistency_slope(Plane(1e4 * network.weight), x)
    assert all(torch.isfinite(part).all() for part in sure)


def looked_on(algorithm: type, steps: int = 3, **changed: Any) -> tuple[Any, MechanismHook]:
    """A few steps of plain gradient descent with the hook."""
    made = build(algorithm, **{**FAST, **changed})
    made.optimizer = torch.optim.SGD(made.model.parameters(), lr=0.1)
    hook = MechanismHook(made.model.classifier, torch.empty(0, dtype=torch.long))
    made.register_hook(hook, "MechanismHook")
    for made.it in range(steps):
        hook.before_train_step(made)
        out, _ = made.train_step(**batch(made.it))
        made.optimizer.zero_grad()
        out["loss"].backward()
        made.optimizer.step()
    return made, hook


@pytest.mark.parametrize(
    ("name", "changed", "pulling"),
    [
        ("layermatch", {}, {"sup_loss"}),
        ("layermatch", {"grad_relu": False}, {"sup_loss", "unsup_loss"}),
        ("freematch", {}, {"sup_loss", "unsup_loss", "ent_loss"}),
    ],
    ids=["layermatch", "no-grad-relu", "freematch"],
)
def test_pulls_add_up_to_the_heads_way_under_gradient_descent(
    name: str, changed: dict[str, Any], pulling: set[str]
) -> None:
    algorithm = NAMED.get(name) or our_class(name)
    made, hook = looked_on(algorithm, **changed)
    now = torch.cat([p.detach().flatten() for p in made.model.classifier.parameters()])
    assert hook.start is not None
    torch.testing.assert_close(hook.start - now, sum(hook.pulls.values()), rtol=1e-9, atol=1e-12)
    assert {n for n, pull in hook.pulls.items() if pull.any()} == pulling


def test_the_averaged_heads_distance_and_what_of_it_is_drift() -> None:
    """The head at the last reset is two steps old; with alpha 0 nothing else moves the averaged head."""
    for lr in (0.0, 0.5):
        made, hook = looked_on(NAMED["layermatch"], 1, ac_reset_iter=3, ac_lr=lr)
        assert hook.start is not None
        start = hook.start.clone()
        made, hook = looked_on(NAMED["layermatch"], 3, ac_reset_iter=3, ac_lr=lr)
        found = hook._distances(made)
        now = torch.cat([p.detach().flatten() for p in made.model.classifier.parameters()])
        averaged = made.hooks_dict["AvgClusteringHook"].averaged()
        wide = torch.cat([averaged["weight"].flatten(), averaged["bias"]])
        assert found["averaged_distance"] == pytest.approx(float((wide - now).norm()))
        assert found["head_moved"] == pytest.approx(float((start - now).norm()))
        assert (found["averaged_drift"] == 0) == (lr == 0) == torch.equal(wide, start)


def test_coverage_and_accuracy_count_what_is_selected_and_known() -> None:
    hook = MechanismHook(nn.Linear(2, 3), torch.tensor([0, 1, 2, -1, 0]))
    probs = torch.eye(3)[[0, 1, 1, 2]]
    weak = Weak(
        probs.log(), probs, None, torch.tensor([0, 4, 1, 3])
    )  # right, wrong, right, unknown
    hook._count(weak, torch.tensor([True, True, False, True]))
    hook._count(weak, torch.tensor([False, False, False, False]))
    quality = hook._quality()
    assert quality == {
        "coverage": 3 / 8,
        "pseudo_accuracy": pytest.approx(4 / 6),
        "selected_accuracy": 1 / 2,
    }
    unknown = MechanismHook(nn.Linear(2, 3), torch.empty(0, dtype=torch.long))
    unknown._count(weak, torch.tensor([True, True, False, True]))
    assert unknown._quality() == {"coverage": 3 / 4}


def test_words_have_no_gradient_and_are_left_out() -> None:
    hook = MechanismHook(nn.Linear(2, 3), torch.empty(0, dtype=torch.long))
    made: Any = SimpleNamespace(loader_dict={"eval": [{"x_lb": {"input_ids": torch.ones(2, 3)}}]})
    assert hook._theorem(made) == {}


def test_the_probe_sees_the_network_that_is_evaluated(tmp_path: Path) -> None:
    """Batch-norm statistics of training images change the quantity, and nothing of the run's pulls."""
    given: dict[str, Any] = {"num_train_iter": 2, "num_eval_iter": 2, "augment": "batched"}
    rows = []
    for kind in ("running", "fresh"):
        run(tmp_path / kind, **given, log_mechanism=True, bn_statistics=kind)
        rows.append(metrics_of(tmp_path / kind)[-1])
    running, fresh = ({k.removeprefix(PREFIX): v for k, v in row.items()} for row in rows)
    assert running["theorem_4_2"] != fresh["theorem_4_2"] > 0
    assert running["head_by_sup"] == fresh["head_by_sup"] > 0
    plain = checkpoint_of(tmp_path / "fresh")
    run(tmp_path / "off", **given, bn_statistics="fresh")
    assert_same_state(checkpoint_of(tmp_path / "off")["ema_model"], plain["ema_model"])


def test_a_run_logs_it_resumes_and_ends_as_without(tmp_path: Path) -> None:
    """Dropout and batch norm would show a random number or a statistic too many."""
    given: dict[str, Any] = {"num_train_iter": 4, "num_eval_iter": 2, "augment": "batched"}
    run(tmp_path / "whole", **given, log_mechanism=True)
    run(tmp_path / "cut", stop_after=3, **given, log_mechanism=True)
    run(tmp_path / "cut", resume=True, **given, log_mechanism=True)
    rows = metrics_of(tmp_path / "whole")
    assert metrics_of(tmp_path / "cut") == rows
    first, second = (
        {k.removeprefix(PREFIX): v for k, v in row.items() if k.startswith(PREFIX)}
        for row in rows
        if "eval/top-1-acc" in row
    )
    assert first.keys() == second.keys() == {
        "coverage", "pseudo_accuracy", *({"selected_accuracy"} & first.keys()), "head_by_sup",
        "head_by_unsup", "head_by_ac", "head_moved", "averaged_distance", "averaged_drift",
        "theorem_4_2", "log_odds_slope",
    }  # fmt: skip
    assert first["head_by_unsup"] == first["head_by_ac"] == 0 < first["head_by_sup"]
    assert 0 < second["theorem_4_2"] <= second["log_odds_slope"] / 4
    run(tmp_path / "plain", **given)
    run(tmp_path / "off", stop_after=3, **given, log_mechanism=True)
    run(tmp_path / "off", resume=True, **given)
    for part in ("model", "ema_model", "optimizer"):
        plain = checkpoint_of(tmp_path / "plain")[part]
        assert_same_state(plain, checkpoint_of(tmp_path / "whole")[part])
        assert_same_state(plain, checkpoint_of(tmp_path / "off")[part])
