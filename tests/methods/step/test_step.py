"""The step: which extensions it has, what its losses are divided by, and how they add up."""

from argparse import Namespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support.usb import FAST, batch, build, our_class, step, usb_class

from usb_ext.methods.named import NAMED


def test_means_over_the_batch_and_over_the_selected() -> None:
    """Eqs. 2 and 8: both unlabelled losses are divided by the number selected."""
    by_batch, _ = step(build(NAMED["layermatch"], **FAST), 0)
    selected, _ = step(build(NAMED["layermatch"], **FAST, ulb_loss_mean="selected"), 0)
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


def test_accuracy_on_the_labelled_part_of_the_batch_is_logged() -> None:
    """Smooth Pseudo-Labeling, Sec. B.2: of the logits in the same pass, before the step."""
    made: Any = build(our_class("fixmatch"), **FAST)
    alone: Any = build(usb_class("fixmatch")).model
    seen = set()
    for seed in range(6):
        data = batch(seed)
        rows = torch.cat([data[k] for k in ("x_lb", "x_ulb_w", "x_ulb_s")])
        classes = alone(rows)["logits"][: len(data["y_lb"])].argmax(dim=-1)
        data["y_lb"] = classes.clone()
        data["y_lb"][: seed % 3] = (classes[: seed % 3] + 1) % made.num_classes
        wanted = 1 - (seed % 3) / len(classes)
        with torch.no_grad():
            _, log = made.train_step(**data)
        assert float(log["train/labelled_acc"]) == pytest.approx(wanted)
        seen.add(wanted)
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("algorithm", "changed", "found"),
    [
        ("layermatch", {}, ("grad_relu", "avg_clustering")),
        ("layermatch", {"grad_relu": False}, ("avg_clustering",)),
        ("layermatch", {"extensions": ["smooth_weight", "grad_relu"]},
         ("grad_relu", "avg_clustering", "smooth_weight")),
        ("fixmatch", {"extensions": ["avg_clustering", "grad_relu"]}, ("grad_relu", "avg_clustering")),
        ("fixmatch", {"extensions": ["grad_relu"], "grad_relu": False}, ()),
        ("fixmatch", {"extensions": None, "grad_relu": True}, ()),
    ],
)  # fmt: skip
def test_extensions_are_the_declared_and_the_asked_for_less_those_switched_off(
    algorithm: str, changed: dict[str, Any], found: tuple[str, ...]
) -> None:
    """In one order, whatever the order in which they are asked for."""
    kind = NAMED[algorithm] if algorithm in NAMED else our_class(algorithm)
    assert kind.choose_extensions(Namespace(**changed)) == found


def test_the_log_has_every_loss_before_its_weight_and_they_add_up() -> None:
    """Total = supervised + lambda_u unsupervised + extensions; USB logs the unsupervised one unweighted."""
    made = build(NAMED["layermatch"], **{**FAST, "ulb_loss_ratio": 3.0, "ent_loss_ratio": 0.2})
    log, _ = step(made, 0)
    assert set(log) == {
        "sup_loss", "unsup_loss", "ent_loss", "ac_loss", "total_loss", "util_ratio", "labelled_acc",
        "rows/step",
    }  # fmt: skip
    parts = log["sup_loss"] + 3 * log["unsup_loss"] + log["ent_loss"] + log["ac_loss"]
    assert log["total_loss"] == pytest.approx(parts, rel=1e-6)
    assert min(log["unsup_loss"], log["ac_loss"]) > 0
