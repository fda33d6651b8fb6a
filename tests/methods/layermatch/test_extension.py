"""LayerMatch's parts in the step: what each setting does to losses and gradients (Tables 4 and 5, Fig. 3)."""

from typing import Any

import pytest
import torch
from support.usb import FAST, Gradients, build, our_class, step, usb_class

from usb_ext.methods.named import NAMED

STEPS = 5


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
    ours = build(NAMED["layermatch"], **FAST, **switched_off)
    used = 0.0
    for (log_usb, usb), (log, got) in zip(steps(base), steps(ours), strict=True):
        assert log["total_loss"] == pytest.approx(log_usb["total_loss"], rel=1e-10)
        for name, wanted in usb.items():
            torch.testing.assert_close(got[name], wanted, rtol=1e-8, atol=1e-11, msg=name)
        used += log_usb["util_ratio"]
    assert 0 < used < STEPS


def test_grad_relu_changes_the_heads_gradient_alone() -> None:
    """Table 4, and Fig. 3 on FixMatch."""
    for algorithm, given in ((NAMED["layermatch"], {}), (our_class("fixmatch"), {"p_cutoff": 0.5})):
        on = {"extensions": ["grad_relu"]}
        with_it = step(build(algorithm, **FAST, **given, **on), 0)
        without = step(build(algorithm, **FAST, **given, **on, grad_relu=False), 0)
        assert with_it[0] == without[0]
        torch.testing.assert_close(below(with_it[1]), below(without[1]))
        assert (of_head(with_it[1]) - of_head(without[1])).norm() > 0.01


def test_avg_clustering_adds_its_loss_and_nothing_to_the_head() -> None:
    log, got = step(build(NAMED["layermatch"], **FAST), 0)
    log_off, off = step(build(NAMED["layermatch"], **FAST, avg_clustering=False), 0)
    assert log["ac_loss"] > 0 and "ac_loss" not in log_off
    assert log["total_loss"] == pytest.approx(log_off["total_loss"] + log["ac_loss"], rel=1e-6)
    torch.testing.assert_close(of_head(got), of_head(off))
    assert (below(got) - below(off)).norm() > 0.01


@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_the_loss_is_weighted(ratio: float) -> None:
    log, _ = step(build(NAMED["layermatch"], **FAST), 0)
    weighted, _ = step(build(NAMED["layermatch"], **FAST, ac_loss_ratio=ratio), 0)
    assert weighted["ac_loss"] == pytest.approx(ratio * log["ac_loss"], rel=1e-6)


@pytest.mark.parametrize("period", [1, 2, 3, 100])
def test_where_the_averaged_head_was_just_reset_both_losses_are_one(period: int) -> None:
    """Table 5: with N = 1 the second loss is the first one through the same head, at every step."""
    made = build(NAMED["layermatch"], **FAST, ac_reset_iter=period)
    logs = [log for log, _ in steps(made)]
    assert all(log["util_ratio"] > 0 for log in logs)
    for t, log in enumerate(logs):
        same = log["ac_loss"] == pytest.approx(log["unsup_loss"], rel=1e-6)
        assert same == (t % period == 0)


@pytest.mark.parametrize("name", ["ac_momentum", "ac_lr"])
def test_the_averaged_head_moves_as_the_numbers_say(name: str) -> None:
    """One step moves it by (1 - m) alpha times a gradient that the numbers do not change."""

    def drift(**changed: float) -> torch.Tensor:
        made = build(NAMED["layermatch"], **{**FAST, **changed})
        step(made, 0)
        moved: torch.Tensor = made.hooks_dict["AvgClusteringHook"].drift["weight"]
        return moved

    changed = {"ac_momentum": 0.9, "ac_lr": 0.1}[name]  # a fifth of 1 - 0.5 and of 0.5
    torch.testing.assert_close(drift(**{name: changed}), 0.2 * drift())
    assert drift().norm() > 0.001
