"""Grad-ReLU against two separate backward passes (LayerMatch, Sec. 4.2.1), in float64.

The oracle never cuts a graph: it runs the plain layer or network, and takes the gradient of the
supervised loss alone (for the head) and of the sum of the losses (for everything below it).
"""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from usb_ext.errors import SettingsError
from usb_ext.functional.grad_relu import grad_relu_linear
from usb_ext.hooks.grad_relu import GradReLUHook
from usb_ext.hooks.head_tap import HeadTap, find_head
from usb_ext.upstream.nets import net_builder

ROWS, LABELLED, DIM, CLASSES = 7, 3, 5, 4


class TinyResNet(nn.Module):
    """Ends in `fc`, as torchvision's ResNets do."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.bn = nn.BatchNorm2d(6)
        self.fc = nn.Linear(6, num_classes)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        feat = self.bn(self.conv(x)).relu().mean(dim=(2, 3))
        return {"logits": self.fc(feat), "feat": feat}


class TinyBert(nn.Module):
    """Ends in a Sequential of two linear layers, as USB's BERT does."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.bert = nn.Linear(3 * 32 * 32, 12)
        self.dropout = nn.Dropout(0.1)
        self.classifier = nn.Sequential(nn.Linear(12, 12), nn.GELU(), nn.Linear(12, num_classes))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        feat = self.dropout(self.bert(x.flatten(1)).tanh())
        return {"logits": self.classifier(feat), "feat": feat}


def build(kind: str) -> nn.Module:
    torch.manual_seed(11)
    own = {"tiny_resnet": TinyResNet, "tiny_bert": TinyBert}
    net = (own[kind] if kind in own else net_builder(kind))(num_classes=CLASSES)
    if kind.startswith("vit"):
        net.blocks = net.blocks[:2]  # two of twelve: seconds instead of tens of them
    return net.double().train()


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def leaves(bias: bool) -> list[torch.Tensor]:
    shapes = [(ROWS, DIM), (CLASSES, DIM)] + ([(CLASSES,)] if bias else [])
    return [normal(*s, seed=i).requires_grad_() for i, s in enumerate(shapes)]


def two_losses(logits: torch.Tensor, labelled: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A supervised and an unsupervised loss that weigh every row and class differently."""
    weights = torch.arange(1.0, logits.numel() + 1, dtype=torch.float64).view_as(logits).sin()
    terms = weights * torch.log_softmax(logits, dim=-1)
    return -terms[:labelled].sum(), -1.7 * terms[labelled:].sum()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("labelled", [0, LABELLED, ROWS])
def test_gradients_are_those_of_two_backward_passes(labelled: int, bias: bool) -> None:
    inputs = leaves(bias)
    plain = F.linear(*inputs)
    supervised, unsupervised = two_losses(plain, labelled)
    alone = torch.autograd.grad(supervised, inputs, retain_graph=True)
    both = torch.autograd.grad(supervised + unsupervised, inputs)

    features, weight, *rest = inputs
    logits = grad_relu_linear(features, weight, rest[0] if rest else None, labelled)
    torch.testing.assert_close(logits, plain, rtol=0, atol=1e-14)
    got = torch.autograd.grad(sum(two_losses(logits, labelled)), inputs, allow_unused=True)
    torch.testing.assert_close(got[0], both[0])
    for mine, wanted in zip(got[1:], alone[1:], strict=True):
        torch.testing.assert_close(torch.zeros_like(wanted) if mine is None else mine, wanted)
    if 0 < labelled < ROWS:  # the two oracles differ, so the comparison can tell them apart
        assert (alone[1] - both[1]).abs().max() > 0.1


@pytest.mark.parametrize("labelled", [-1, ROWS + 1])
def test_a_count_outside_the_batch_is_refused(labelled: int) -> None:
    features, weight, bias = leaves(bias=True)
    with pytest.raises(ValueError, match=rf"labelled_rows is {labelled}; allowed: 0\.\.{ROWS}"):
        grad_relu_linear(features, weight, bias, labelled)


def gradients(net: nn.Module, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    names, parameters = zip(*net.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return {
        n: torch.zeros_like(p) if g is None else g
        for n, p, g in zip(names, parameters, found, strict=True)
    }


def forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(5)  # dropout and stochastic depth repeat
    logits: torch.Tensor = net(images)["logits"]
    return logits


@pytest.mark.parametrize("kind", ["wrn_10_1", "vit_tiny_patch2_32", "tiny_resnet", "tiny_bert"])
def test_through_the_tap_on_every_kind_of_network(kind: str) -> None:
    net = build(kind)
    rows, labelled = (3, 1) if kind.startswith("vit") else (ROWS, LABELLED)
    images = normal(rows, 3, 32, 32, seed=3)
    plain = forward(net, images)
    supervised, unsupervised = two_losses(plain, labelled)
    alone, both = gradients(net, supervised), gradients(net, supervised + unsupervised)

    head = find_head(net, CLASSES)
    hook = GradReLUHook(HeadTap(head))
    hook.tap.labelled_rows = labelled
    logits = forward(net, images)
    torch.testing.assert_close(logits, plain, rtol=1e-12, atol=1e-12)
    got = gradients(net, sum(two_losses(logits, labelled)))

    of_head = {n for n, p in net.named_parameters() if any(p is q for q in head.parameters())}
    assert len(of_head) == 2
    for name, gradient in got.items():
        wanted = alone[name] if name in of_head else both[name]
        torch.testing.assert_close(gradient, wanted, rtol=1e-9, atol=1e-10, msg=name)
    moved = [n for n in got if (alone[n] - both[n]).abs().max() > 1e-6]
    assert of_head < set(moved)


@pytest.mark.parametrize("mode", ["eval", "no_grad"])
def test_evaluation_leaves_output_and_memory_untouched(mode: str) -> None:
    net = build("tiny_resnet")
    net.train(mode != "eval")
    images = normal(ROWS, 3, 32, 32, seed=3)
    plain = net(images)["logits"]
    tap = GradReLUHook(HeadTap(net.fc)).tap
    tap.labelled_rows = 0
    with torch.set_grad_enabled(mode != "no_grad"):
        logits = net(images)["logits"]
    assert torch.equal(logits, plain)
    assert tap.features is None
    if mode == "eval":  # rows after the labelled ones would carry no gradient to the head
        logits.sum().backward()
        assert net.fc.weight.grad.abs().max() > 0


def test_without_grad_relu_the_tap_only_watches() -> None:
    net = build("tiny_resnet")
    tap = HeadTap(net.fc)
    tap.labelled_rows = 0
    net(normal(ROWS, 3, 32, 32, seed=3))["logits"].sum().backward()
    assert torch.allclose(net.fc.bias.grad, torch.full((CLASSES,), float(ROWS)).double())


class Algorithm(SimpleNamespace):
    """What USB's own class shows to a hook."""


def algorithm(net: nn.Module, batch_size: int) -> Any:
    return Algorithm(model=net, num_classes=CLASSES, args=SimpleNamespace(batch_size=batch_size))


def test_on_a_class_of_usb_the_labelled_batch_comes_first() -> None:
    net = build("tiny_resnet")
    run = algorithm(net, LABELLED)
    hook = GradReLUHook.on(run)
    hook.before_train_step(run)
    net(normal(ROWS, 3, 32, 32, seed=3))["logits"].sum().backward()
    assert torch.allclose(net.fc.bias.grad, torch.full((CLASSES,), float(LABELLED)).double())
    assert hook.tap.features is not None
    hook.after_train_step(run)
    assert hook.tap.features is None
    assert hook.tap.labelled_rows is None


def test_on_a_network_without_a_head_is_refused() -> None:
    with pytest.raises(SettingsError, match=f"{CLASSES} outputs found in Conv2d"):
        GradReLUHook.on(algorithm(nn.Conv2d(3, 4, 1), 2))
