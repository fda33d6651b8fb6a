"""AdaMatch's alignment and relative threshold by hand (Berthelot et al., 2022)."""

import torch
from support.usb import build, our_class

from usb_ext.methods.step.views import Views

LABELLED = [[[0.6, 0.1, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.05, 0.05]], [[0.2, 0.2, 0.2, 0.2, 0.2]]]
WEAK = [[[0.4, 0.3, 0.1, 0.1, 0.1], [0.5, 0.1, 0.2, 0.1, 0.1]], [[0.8, 0.05, 0.05, 0.05, 0.05]]]
"""Probabilities of two steps, row by row."""


def views(labelled: list[list[float]], weak: list[list[float]]) -> Views:
    lb, w = (torch.tensor(rows, dtype=torch.float64).log() for rows in (labelled, weak))
    return Views(logits_lb=lb, logits_w=w, logits_s=w, feats={}, head_inputs_s=None)


def mean(rows: list[list[float]]) -> list[float]:
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def test_weak_views_are_aligned_to_what_the_labelled_ones_are_predicted_as() -> None:
    """Running means with momentum 0.5: the target's starts uniform, the model's at its first batch."""
    algorithm = build(our_class("adamatch"), ema_p=0.5)
    target, model = [0.2] * 5, mean(WEAK[0])
    for step, (labelled, weak) in enumerate(zip(LABELLED, WEAK, strict=True)):
        target = [0.5 * t + 0.5 * m for t, m in zip(target, mean(labelled), strict=True)]
        if step:
            model = [0.5 * p + 0.5 * m for p, m in zip(model, mean(weak), strict=True)]
        found = algorithm.rule.weak(algorithm, views(labelled, weak), None)
        for row, got in zip(weak, found.probs, strict=True):
            raw = [p * t / m for p, t, m in zip(row, target, model, strict=True)]
            wanted = torch.tensor([r / sum(raw) for r in raw], dtype=torch.float64)
            torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)  # USB adds 1e-6 to both
        torch.testing.assert_close(found.probs_lb, torch.tensor(labelled, dtype=torch.float64))


def test_the_threshold_is_a_share_of_the_labelled_confidence() -> None:
    """Confidences 0.6 and 0.7 on the labelled: 0.8 of their mean 0.65 is 0.52."""
    algorithm = build(our_class("adamatch"), p_cutoff=0.8, ema_p=1.0)
    weak = algorithm.rule.weak(algorithm, views(LABELLED[0], [[0.2] * 5]), None)
    torch.testing.assert_close(
        algorithm.rule.threshold(algorithm, weak), torch.tensor([0.52]).double()
    )
    rows = torch.tensor([[0.51, 0.49, 0, 0, 0], [0.53, 0.47, 0, 0, 0], [0, 0, 0.52001, 0.47999, 0]])
    seen = type(weak)(weak.logits, rows.double(), weak.probs_lb, None)
    assert algorithm.rule.weights(algorithm, seen).tolist() == [0.0, 1.0, 1.0]
