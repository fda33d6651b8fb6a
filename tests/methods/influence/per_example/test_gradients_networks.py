"""Per-example gradients against plain backpropagation of one example at a time, in float64."""

from typing import Any

import pytest
import torch
from support.gradients import Scaled, assert_equal, by_hand, squares
from support.nets import case, cross_entropies, images_and_labels, prepared
from torch import nn

from usb_ext.methods.influence.per_example.gradients import batch_size, per_example_gradients
from usb_ext.upstream.nets import wrn_10_1


@pytest.mark.parametrize("method", ["layers", "func", "loop"])
@pytest.mark.parametrize("name", ["wrn", "vit", "bert"])
def test_networks_of_usb(name: str, method: Any) -> None:
    net, batch = case(name)
    if (name, method) == ("bert", "func"):  # its mask is looked at, which vmap cannot
        batch = ({"input_ids": batch[0]["input_ids"]}, batch[1])
    found = per_example_gradients(net, cross_entropies, batch, method=method, chunk=3)
    assert_equal(found, by_hand(net, cross_entropies, batch))
    for parameter in net.parameters():
        assert parameter.grad is None
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_their_sum_is_the_gradient_of_the_sum_in_float32() -> None:
    torch.manual_seed(0)
    net = wrn_10_1(num_classes=10).eval()
    batch = (torch.randn(6, 3, 16, 16), torch.arange(6))
    found = per_example_gradients(net, cross_entropies, batch)
    cross_entropies(net, batch).sum().backward()
    for name, parameter in net.named_parameters():
        wanted = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(found[name].sum(0), wanted, rtol=1e-3, atol=1e-4, msg=name)


def test_other_layers_go_through_torch_func() -> None:
    net = prepared(Scaled((3,)))
    x = torch.randn(3, 3, dtype=torch.float64)
    found = per_example_gradients(net, squares, x, method="func")
    assert_equal(found, by_hand(net, squares, x))


def test_inputs_and_losses_that_do_not_fit_are_named() -> None:
    net = nn.Linear(3, 2)
    with pytest.raises(ValueError, match=r"expected one each, \(4,\)"):
        per_example_gradients(net, lambda n, x: n(x).sum(), torch.ones(4, 3))
    with pytest.raises(ValueError, match=r"got \(2, 6, 3\) for 4 examples"):
        per_example_gradients(
            nn.Sequential(net),
            lambda n, x: n(x.view(2, 6, 3)).sum((1, 2)).repeat(2),
            torch.ones(4, 3, 3),
        )
    with pytest.raises(ValueError, match="must take any rows of the batch, but with 2 of 4"):
        per_example_gradients(net, lambda n, x: n(x.view(4, 3)).sum(1), torch.ones(4, 3))
    with pytest.raises(ValueError, match="method is 'fast'"):
        per_example_gradients(net, squares, torch.ones(4, 3), method="fast")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a batch is"):
        batch_size({})


def test_training_in_the_meantime_is_undisturbed() -> None:
    """Gradients and running statistics of the network are left alone."""
    net = prepared(wrn_10_1(num_classes=3))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with torch.no_grad():
        per_example_gradients(net, cross_entropies, images_and_labels(2, 8))
    after = net.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert all(p.grad is None for p in net.parameters())
