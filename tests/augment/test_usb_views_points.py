"""Noise on points: its size, and that it obeys the seed of torch's generator."""

import torch

from usb_ext.augment.usb_views import Jitter


def test_noise_has_the_size_asked_for() -> None:
    point = torch.tensor([3.0, -1.0])
    torch.manual_seed(0)
    views = torch.stack([Jitter(0.2)(point) for _ in range(4000)])
    assert torch.allclose(views.mean(0), point, atol=0.02)
    assert torch.allclose(views.std(0), torch.tensor([0.2, 0.2]), atol=0.01)
    torch.manual_seed(0)
    assert torch.equal(Jitter(0.2)(point), views[0])


def test_no_noise_draws_nothing() -> None:
    point, before = torch.tensor([3.0, -1.0]), torch.get_rng_state()
    assert torch.equal(Jitter(0.0)(point), point)
    assert torch.equal(torch.get_rng_state(), before)
