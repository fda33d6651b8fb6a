"""The expected calibration error against torchmetrics and against numbers by hand."""

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassCalibrationError

from usb_ext.as3l.propagate.report import reliability


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bins", [5, 15])
def test_equals_torchmetrics(seed: int, bins: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    probs = (3 * torch.randn(400, 6, generator=generator, dtype=torch.float64)).softmax(dim=1)
    target = torch.randint(6, (400,), generator=generator)
    metric = MulticlassCalibrationError(num_classes=6, n_bins=bins, norm="l1")
    wanted = float(metric(probs, target))
    confidence, predicted = probs.max(dim=1)
    got = reliability(confidence.numpy(), (predicted == target).numpy(), bins)
    assert got.error == pytest.approx(wanted, abs=1e-6)
    assert wanted > 0.1


def test_by_hand_with_confidences_on_the_edges() -> None:
    """Bins [0, .5) and [.5, 1]: .2 and .4 with one right, .5, 1 and 1 with two right."""
    found = reliability(
        np.array([0.2, 0.4, 0.5, 1.0, 1.0]), np.array([True, False, False, True, True]), 2
    )
    assert found.counts.tolist() == [2, 3]
    np.testing.assert_allclose(found.confidence, [0.3, 2.5 / 3])
    np.testing.assert_allclose(found.accuracy, [0.5, 2 / 3])
    assert found.error == pytest.approx(2 / 5 * 0.2 + 3 / 5 * (2.5 / 3 - 2 / 3))


def test_perfect_and_empty() -> None:
    assert reliability(np.ones(3), np.ones(3, dtype=bool)).error == 0
    assert reliability(np.zeros(0), np.zeros(0, dtype=bool)).error == 0
