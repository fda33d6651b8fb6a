"""Scores beside what is known by hand: Wilson's closed form, torchmetrics' calibration error, counting."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassCalibrationError

from usb_ext.serving.scores import (
    BINS,
    Measured,
    Share,
    as_json,
    by_class,
    emptied_classes,
    reliability,
    row_shares,
)

Z = 1.959963984540054  # the normal quantile of 0.975


@pytest.mark.parametrize(
    ("hits", "n"), [(h, n) for n in (1, 2, 7, 50, 1000) for h in {0, 1, n // 2, n}]
)
def test_wilsons_interval_in_closed_form(hits: int, n: int) -> None:
    p = hits / n
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    found = Share(hits, n)
    assert found.interval == pytest.approx(
        (max(0, centre - half), min(1, centre + half)), abs=1e-12
    )
    assert found.value == p


def test_of_none_nothing_is_known() -> None:
    assert Share(0, 0).value is None and Share(0, 0).interval is None
    assert as_json(Share(0, 0)) == {"share": None, "hits": 0, "n": 0, "low": None, "high": None}


def sample(seed: int, n: int = 400, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, classes, generator=generator, dtype=torch.float64)
    targets = torch.where(
        torch.rand(n, generator=generator) < 0.6,
        logits.argmax(dim=1),
        torch.randint(0, classes, (n,), generator=generator),
    )
    return torch.softmax(logits, dim=1), targets


def measured(probabilities: torch.Tensor, targets: torch.Tensor) -> Measured:
    top = probabilities.topk(2, dim=1)
    return Measured(
        targets.numpy(), top.indices[:, 0].numpy(), top.values[:, 0].numpy(),
        (top.values[:, 0] - top.values[:, 1]).numpy(), probabilities.shape[1],
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_is_torchmetrics(seed: int) -> None:
    probabilities, targets = sample(seed)
    oracle = MulticlassCalibrationError(4, n_bins=BINS, norm="l1")(probabilities, targets)
    assert measured(probabilities, targets).calibration_error == pytest.approx(
        oracle.item(), abs=1e-6
    )


def test_bins_by_hand() -> None:
    bins = reliability(np.array([0.5, 0.51, 0.99, 1.0]), np.array([True, False, True, True]))
    assert [b.n for b in bins if b.n] == [2, 2] and len(bins) == BINS
    assert bins[7].low < 0.5 < 0.51 < bins[7].high
    assert (bins[7].confidence, bins[7].accuracy) == (pytest.approx(0.505), 0.5)
    assert (bins[-1].high, bins[-1].confidence, bins[-1].accuracy) == (
        1.0,
        pytest.approx(0.995),
        1.0,
    )
    assert bins[0].confidence is None and bins[0].accuracy is None


def test_confusion_and_classes_by_counting() -> None:
    probabilities, targets = sample(7)
    found = measured(probabilities, targets)
    pairs = list(zip(targets.tolist(), probabilities.argmax(dim=1).tolist(), strict=True))
    counts = [[pairs.count((t, p)) for p in range(4)] for t in range(4)]
    assert found.confusion.tolist() == counts
    assert found.accuracy == Share(sum(t == p for t, p in pairs), len(pairs))
    for number, one in enumerate(by_class(found.confusion, "abcd")):
        hits = counts[number][number]
        assert one.name == "abcd"[number]
        assert one.recall == Share(hits, sum(counts[number]))
        assert one.precision == Share(hits, sum(row[number] for row in counts))
    expected = [[float(100 * Fraction(v, sum(row))) for v in row] for row in counts]
    assert row_shares(found.confusion) == pytest.approx(np.array(expected))
    assert row_shares(np.array([[0, 0], [1, 3]])).tolist() == [[0, 0], [25, 75]]


def test_a_class_has_emptied_below_a_tenth() -> None:
    assert emptied_classes(np.array([[0, 20, 0], [0, 20, 0], [2, 0, 18]])) == []
    assert emptied_classes(np.array([[0, 20, 0], [0, 20, 0], [1, 0, 19]])) == [0]


def test_the_worst_come_first() -> None:
    probabilities, targets = sample(3)
    found = measured(probabilities, targets)
    top, second = (probabilities.sort(dim=1, descending=True).values[:, i] for i in (0, 1))
    wrong = [i for i in range(400) if probabilities[i].argmax() != targets[i]]
    assert found.surely_wrong(5) == sorted(wrong, key=lambda i: -top[i])[:5]
    assert found.least_sure(9) == sorted(range(400), key=lambda i: top[i] - second[i])[:9]
    assert len(found.surely_wrong(1000)) == len(wrong)
