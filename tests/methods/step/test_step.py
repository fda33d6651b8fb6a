"""The step: what its losses are divided by, and what is left where nothing is selected."""

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
