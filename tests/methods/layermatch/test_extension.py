"""What each setting of LayerMatch's ablations does to losses and gradients (Tables 4 and 5, Fig. 3)."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support.usb import batch, build, our_class, usb_class

from usb_ext.methods.named import LayerMatch
from usb_ext.methods.step.step import WeakStrong

STEPS = 5
FAST: dict[str, Any] = {"ac_momentum": 0.5, "ac_lr": 0.5, "ulb_loss_ratio": 1.0, "ema_p": 0.5}
Gradients = dict[str, torch.Tensor]


def step(algorithm: Any, seed: int) -> tuple[dict[str, float], Gradients]:
    """Log and gradients of one step; the optimizer has moved the network afterwards."""
    algorithm.it = seed
    data = batch(seed)
    if not isinstance(algorithm, WeakStrong):
        data.pop("idx_ulb")
    out, log = algorithm.train_step(**data)
    algorithm.optimizer.zero_grad()
    out["loss"].backward()
    found = {n: p.grad.clone() for n, p in algorithm.model.named_parameters()}
    algorithm.optimizer.step()
    return {k.removeprefix("train/"): float(v) for k, v in log.items()}, found


def steps(algorithm: Any) -> list[tuple[dict[str, float], Gradients]]:
    return [step(algorithm, seed) for seed in range(STEPS)]


def of_head(found: Gradients) -> torch.Tensor:
    return torch.cat([g.flatten() for n, g in found.items() if n.startswith("classifier")])


def below(found: Gradients) -> torch.Tensor:
    return torch.cat([g.flatten() for n, g in found.items() if not n.startswith("classifier")])


@pytest.mark.parametrize(
    "switched_off",
    [
        {"grad_relu": False, "avg_clustering": False},
        {"grad_relu": False, "ac_loss_ratio": 0.0},
    ],
    ids=str,
)
def test_without_both_parts_it_is_usbs_freematch_without_fairness(
    switched_off: dict[str, Any],
) -> None:
    base = build(usb_class("freematch"), **{**FAST, "ent_loss_ratio": 0.0})
    ours = build(LayerMatch, **FAST, **switched_off)
    used = 0.0
    for (log_usb, usb), (log, got) in zip(steps(base), steps(ours), strict=True):
        assert log["total_loss"] == pytest.approx(log_usb["total_loss"], rel=1e-10)
        for name, wanted in usb.items():
            torch.testing.assert_close(got[name], wanted, rtol=1e-8, atol=1e-11, msg=name)
        used += log_usb["util_ratio"]
    assert 0 < used < STEPS


def test_grad_relu_changes_the_heads_gradient_alone() -> None:
    """Table 4, and Fig. 3 on FixMatch."""
    for algorithm, given in ((LayerMatch, {}), (our_class("fixmatch"), {"p_cutoff": 0.5})):
        on = {"extensions": ["grad_relu"]}
        with_it = step(build(algorithm, **FAST, **given, **on), 0)
        without = step(build(algorithm, **FAST, **given, **on, grad_relu=False), 0)
        assert with_it[0] == without[0]
        torch.testing.assert_close(below(with_it[1]), below(without[1]))
        assert (of_head(with_it[1]) - of_head(without[1])).norm() > 0.01


def test_avg_clustering_adds_its_loss_and_nothing_to_the_head() -> None:
    log, got = step(build(LayerMatch, **FAST), 0)
    log_off, off = step(build(LayerMatch, **FAST, avg_clustering=False), 0)
    assert log["ac_loss"] > 0 and "ac_loss" not in log_off
    assert log["total_loss"] == pytest.approx(log_off["total_loss"] + log["ac_loss"], rel=1e-6)
    torch.testing.assert_close(of_head(got), of_head(off))
    assert (below(got) - below(off)).norm() > 0.01


@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_the_loss_is_weighted(ratio: float) -> None:
    log, _ = step(build(LayerMatch, **FAST), 0)
    weighted, _ = step(build(LayerMatch, **FAST, ac_loss_ratio=ratio), 0)
    assert weighted["ac_loss"] == pytest.approx(ratio * log["ac_loss"], rel=1e-6)


@pytest.mark.parametrize("period", [1, 2, 3, 100])
def test_where_the_averaged_head_was_just_reset_both_losses_are_one(period: int) -> None:
    """Table 5: with N = 1 the second loss is the first one through the same head, at every step."""
    made = build(LayerMatch, **FAST, ac_reset_iter=period)
    logs = [log for log, _ in steps(made)]
    assert all(log["util_ratio"] > 0 for log in logs)
    for t, log in enumerate(logs):
        same = log["ac_loss"] == pytest.approx(log["unsup_loss"], rel=1e-6)
        assert same == (t % period == 0)


@pytest.mark.parametrize("name", ["ac_momentum", "ac_lr"])
def test_the_averaged_head_moves_as_the_numbers_say(name: str) -> None:
    """One step moves it by (1 - m) alpha times a gradient that the numbers do not change."""

    def drift(**changed: float) -> torch.Tensor:
        made = build(LayerMatch, **{**FAST, **changed})
        step(made, 0)
        moved: torch.Tensor = made.hooks_dict["AvgClusteringHook"].drift["weight"]
        return moved

    changed = {"ac_momentum": 0.9, "ac_lr": 0.1}[name]  # a fifth of 1 - 0.5 and of 0.5
    torch.testing.assert_close(drift(**{name: changed}), 0.2 * drift())
    assert drift().norm() > 0.001


def test_means_over_the_batch_and_over_the_selected() -> None:
    """Eqs. 2 and 8: both unlabelled losses are divided by the number selected."""
    by_batch, _ = step(build(LayerMatch, **FAST), 0)
    selected, _ = step(build(LayerMatch, **FAST, ulb_loss_mean="selected"), 0)
    share = by_batch["util_ratio"]
    assert 0 < share < 1
    for name in ("unsup_loss", "ac_loss"):
        assert selected[name] == pytest.approx(by_batch[name] / share, rel=1e-6)
    assert selected["sup_loss"] == by_batch["sup_loss"]


def test_with_nothing_selected_only_the_labels_count() -> None:
    made: Any = build(
        our_class("fixmatch"), p_cutoff=1.1, extensions=["grad_relu", "avg_clustering"], **FAST
    )
    alone: Any = build(usb_class("fixmatch"), p_cutoff=1.1).model
    data = batch(0)
    rows = torch.cat([data[k] for k in ("x_lb", "x_ulb_w", "x_ulb_s")])
    logits = alone(rows)["logits"][: len(data["y_lb"])]
    F.cross_entropy(logits, data["y_lb"]).backward()
    head = made.model.classifier.weight.detach().clone()
    log, got = step(made, 0)
    assert (log["util_ratio"], log["unsup_loss"], log["ac_loss"]) == (0.0, 0.0, 0.0)
    for name, parameter in alone.named_parameters():
        torch.testing.assert_close(got[name], parameter.grad, msg=name)
    assert torch.equal(made.hooks_dict["AvgClusteringHook"].averaged()["weight"], head)
