"""SoftMatchWeight against USB's hook, and per class against a loop (USB's class cannot be built there)."""

from types import SimpleNamespace

import torch

from usb_ext.methods.bases.softmatch import SoftMatchWeight
from usb_ext.upstream.usb import SoftMatchWeightingHook

ALGORITHM = SimpleNamespace(distributed=False)


def batches() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.softmax(3 * torch.randn(20, 4, generator=generator), dim=-1) for _ in range(15)]


def test_equals_usb_hook() -> None:
    theirs = SoftMatchWeightingHook(4, n_sigma=2, momentum=0.8)
    ours = SoftMatchWeight(4, n_sigma=2, momentum=0.8, per_class=False)
    for probs in batches():
        expected = theirs.masking(ALGORITHM, probs, softmax_x_ulb=False)
        torch.testing.assert_close(ours.masking(ALGORITHM, probs, softmax_x_ulb=False), expected)


def test_per_class_against_a_loop() -> None:
    ours = SoftMatchWeight(4, n_sigma=3, momentum=0.6, per_class=True)
    mean, variance = [0.25] * 4, [1.0] * 4
    for probs in batches():
        weights = ours.masking(ALGORITHM, probs, softmax_x_ulb=False)
        confidence, classes = probs.double().max(dim=-1)
        for c in range(4):
            own = [p.item() for p, k in zip(confidence, classes, strict=True) if k == c]
            average = sum(own) / len(own) if len(own) > 1 else 0.0
            spread = sum((p - average) ** 2 for p in own) / (len(own) - 1) if len(own) > 1 else 1.0
            mean[c] = 0.6 * mean[c] + 0.4 * average
            variance[c] = 0.6 * variance[c] + 0.4 * spread
        for weight, p, c in zip(weights, confidence, classes, strict=True):
            below = min(p.item() - mean[c], 0.0)
            expected = torch.exp(torch.tensor(-(below**2) * 9 / (2 * variance[c])))
            torch.testing.assert_close(weight.double(), expected.double(), rtol=1e-4, atol=1e-6)
