"""The network for points: its function by hand, its size, and USB's interface."""

import re

import torch

from usb_ext.methods.step.head_tap import find_head
from usb_ext.upstream.nets import MLP, mlp_100_100


def test_it_is_two_hidden_layers_with_relu() -> None:
    net = MLP(3, features=4, widths=(5, 6)).double()
    first, second = net.body[0], net.body[2]
    x = torch.randn(7, 4, dtype=torch.float64)
    hidden = torch.clamp(x @ first.weight.T + first.bias, min=0)
    feat = torch.clamp(hidden @ second.weight.T + second.bias, min=0)
    logits = feat @ net.classifier.weight.T + net.classifier.bias
    out = net(x)
    torch.testing.assert_close(out["feat"], feat)
    torch.testing.assert_close(out["logits"], logits)
    torch.testing.assert_close(net(x, only_feat=True), feat)
    torch.testing.assert_close(net(feat, only_fc=True), logits)


def test_the_papers_size() -> None:
    net = mlp_100_100(2)
    wanted = (2 * 100 + 100) + (100 * 100 + 100) + (100 * 2 + 2)
    assert sum(p.numel() for p in net.parameters()) == wanted
    assert find_head(net, 2) is net.classifier


def test_layer_decay_finds_every_layer_below_the_head() -> None:
    matcher = mlp_100_100(2).group_matcher()
    below = [n for n, _ in mlp_100_100(2).named_parameters() if not n.startswith("classifier")]
    assert all(re.match(matcher["stem"], n) or re.match(matcher["blocks"], n) for n in below)
