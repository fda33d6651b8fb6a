"""The power transform against its formula in NumPy."""

import numpy as np
import pytest
import torch

from usb_ext.upstream import feature_transform as module
from usb_ext.upstream.feature_transform import PowerTransform, center_of
from usb_ext.upstream.nets import net_builder


def direction(x: np.ndarray) -> np.ndarray:
    u = np.sign(x) * np.sqrt(np.abs(x))
    return np.array([row / np.sqrt((row**2).sum()) for row in u])


def test_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NUMBERS", 7 * 6)  # parts of seven rows
    x = np.random.default_rng(0).normal(size=(40, 6)) ** 3
    transform = PowerTransform(6).double()
    transform.center.copy_(center_of(torch.from_numpy(x)))
    centered = direction(x) - direction(x).mean(axis=0)
    wanted = np.array([np.sqrt(6) * row / np.linalg.norm(row) for row in centered])
    assert transform(torch.from_numpy(x)).numpy() == pytest.approx(wanted, abs=1e-6)


def test_the_formula_where_the_input_is_differentiated() -> None:
    """In place without a graph, out of place with one: the same numbers, and finite differences' slopes."""
    transform = PowerTransform(6).double()
    transform.center.copy_(torch.linspace(-0.2, 0.3, 6))
    x = torch.randn(8, 6, dtype=torch.float64, generator=torch.manual_seed(0))
    with_graph = transform(x.clone().requires_grad_())
    kept = x.clone()
    assert torch.equal(with_graph.detach(), transform(x)) and torch.equal(x, kept)
    assert torch.equal(torch.func.vmap(lambda row: transform(row[None])[0])(x), transform(x))
    assert torch.autograd.gradcheck(transform, (x.clone().requires_grad_(),))
    x[:, 0] = 0.0
    held = x.clone().requires_grad_()
    transform(held).square().sum().backward()
    assert torch.isfinite(held.grad).all()


def test_lengths_of_the_input_do_not_matter_and_nothing_is_not_a_number() -> None:
    transform = PowerTransform(5)
    x = torch.rand(3, 5, generator=torch.manual_seed(0))
    assert torch.allclose(transform(x), transform(x * 400.0), atol=1e-5)
    assert torch.isfinite(transform(torch.zeros(2, 5))).all()
    half = torch.rand(9, 5).half()
    assert center_of(half).dtype == torch.float32


@pytest.mark.parametrize("net", ["linear", "mlp_4"])
def test_the_centre_is_part_of_the_network_and_the_layers_read_what_it_makes(net: str) -> None:
    built = net_builder(net, features=5, transform="power")(num_classes=3)
    plain = net_builder(net, features=5)(num_classes=3)
    assert set(built.state_dict()) - set(plain.state_dict()) == {"transform.center"}
    plain.load_state_dict(built.state_dict(), strict=False)
    x = torch.rand(4, 5)
    wanted = plain(PowerTransform(5)(x))
    assert torch.equal(built(x)["logits"], wanted["logits"])
    assert torch.equal(built(x)["feat"], wanted["feat"])
