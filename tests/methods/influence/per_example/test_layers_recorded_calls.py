"""What is recorded of a pass: inputs, calls in order, and edges that outlive an overwritten output."""

import torch
from torch import nn

from usb_ext.methods.influence.per_example.layers import recorded


def test_every_call_with_a_gradient_is_recorded_with_its_input() -> None:
    layer, other = nn.Linear(2, 2), nn.Linear(2, 2)
    x = torch.randn(3, 2)
    with recorded({"a": layer, "b": other}, 3) as calls:
        hidden = layer(x)
        layer(input=hidden)
        with torch.no_grad():
            other(x)
    assert [call.name for call in calls] == ["a", "a"]
    assert torch.equal(calls[0].inputs, x) and torch.equal(calls[1].inputs, hidden)
    assert not calls[1].inputs.requires_grad
    layer(x)
    assert len(calls) == 2 and not layer._forward_hooks


def test_the_slope_is_that_of_the_output_before_it_was_overwritten() -> None:
    layer = nn.Linear(2, 2)
    x = torch.randn(3, 2)
    with recorded({"a": layer}, 3) as calls:
        out = layer(x)
        total = torch.relu_(out).square().sum()
    (slope,) = torch.autograd.grad(total, [calls[0].edge])
    before = x @ layer.weight.T + layer.bias
    torch.testing.assert_close(slope, 2 * before.clamp(min=0))


def test_positions_that_all_share_are_asked_for_once_an_example() -> None:
    places = nn.Embedding(4, 2)
    with recorded({"places": places}, 3) as calls:
        out = places(torch.arange(4)[None])
    assert out.shape == (3, 4, 2) and calls[0].inputs.tolist() == [[0, 1, 2, 3]] * 3
    torch.testing.assert_close(out[2], places.weight)
