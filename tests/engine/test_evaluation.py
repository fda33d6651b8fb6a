"""Evaluation: which weights, which images, and the numbers by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from usb_ext.engine.evaluation import evaluate, predict, to_device

CPU = torch.device("cpu")
LOGITS = torch.tensor([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 1.0, 0.0], [5.0, 0.0, 0.0]])
LABELS = torch.tensor([0, 1, 2, -1])


class Table(nn.Module):
    """A network that reads its logits from a table: inputs are the row numbers."""

    def forward(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": LOGITS[rows], "other": -LOGITS[rows]}


def algorithm(copied: list[str]) -> Any:
    batches = [
        {"x_lb": torch.tensor([0, 1]), "y_lb": LABELS[:2]},
        {"x_lb": torch.tensor([2, 3]), "y_lb": LABELS[2:]},
    ]
    ema = SimpleNamespace(copy_buffers=lambda: copied.append("buffers"))
    made = SimpleNamespace(ema=ema, ema_model=Table(), loader_dict={"eval": batches}, num_classes=3)
    made.device, made.last_confusion = CPU, []
    made.args = SimpleNamespace(bn_statistics="running")
    return made


def test_batches_are_joined_in_order() -> None:
    logits, labels = predict(Table(), algorithm([]).loader_dict["eval"], CPU, "logits")
    assert torch.equal(logits, LOGITS) and torch.equal(labels, LABELS)


def test_an_image_of_unknown_class_counts_nowhere() -> None:
    """Rows 0 and 1 are right, row 2 is not, row 3 has no class: 2/3 right, and a loss over three.

    Cross-entropies: log(e^2 + 2) - 2, log(e^3 + 2) - 3, log(e + 2) - 0. Recall is 1, 1, 0 by class;
    precision 1, 1/2, 0 (nothing was called 2).
    """
    copied: list[str] = []
    made = algorithm(copied)
    found = evaluate(made, "eval", "logits", return_logits=True)
    assert copied == ["buffers"] and made.ema_model.training
    assert found["eval/top-1-acc"] == pytest.approx(2 / 3)
    assert found["eval/balanced_acc"] == found["eval/recall"] == pytest.approx(2 / 3)
    assert found["eval/precision"] == pytest.approx(0.5)
    assert found["eval/F1"] == pytest.approx((1 + 2 / 3) / 3)
    by_hand = [np.log(np.exp(2) + 2) - 2, np.log(np.exp(3) + 2) - 3, np.log(np.exp(1) + 2)]
    assert found["eval/loss"] == pytest.approx(np.mean(by_hand), rel=1e-6)
    assert made.last_confusion == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]
    assert np.array_equal(found["eval/logits"], LOGITS.numpy())


def test_another_output_can_be_read_and_nothing_is_scored_without_classes() -> None:
    made = algorithm([])
    for batch in made.loader_dict["eval"]:
        batch["y_lb"] = torch.full((2,), -1)
    found = evaluate(made, "eval", "other", return_logits=True)
    assert list(found) == ["eval/logits"]
    assert np.array_equal(found["eval/logits"], -LOGITS.numpy())


def test_the_network_trains_again_after_a_failure() -> None:
    made = algorithm([])
    made.loader_dict = {}
    with pytest.raises(KeyError):
        evaluate(made, "eval", "logits", return_logits=False)
    assert made.ema_model.training


def test_texts_are_moved_part_by_part() -> None:
    moved = to_device({"ids": torch.zeros(2), "mask": torch.ones(2)}, torch.device("meta"))
    assert {value.device.type for value in moved.values()} == {"meta"}


def test_top_5_counts_with_more_than_five_classes() -> None:
    """Of six classes the sixth likeliest is out: rows 0 and 1 have theirs among five, row 2 has not."""
    logits = torch.tensor([[6.0, 5, 4, 3, 2, 1]] * 3)

    class Alike(nn.Module):
        def forward(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"logits": logits[rows]}

    made = algorithm([])
    made.ema_model, made.num_classes = Alike(), 6
    batch = {"x_lb": torch.arange(3), "y_lb": torch.tensor([0, 4, 5])}
    made.loader_dict = {"eval": [batch]}
    found = evaluate(made, "eval", "logits", return_logits=False)
    assert found["eval/top-5-acc"] == pytest.approx(2 / 3)
    assert found["eval/top-1-acc"] == pytest.approx(1 / 3)
    assert "eval/top-5-acc" not in evaluate(algorithm([]), "eval", "logits", return_logits=False)
