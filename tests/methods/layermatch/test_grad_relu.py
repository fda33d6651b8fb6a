"""Grad-ReLU against two separate backward passes (LayerMatch, Sec. 4.2.1), in float64.

The oracle never cuts a graph: it runs the plain layer or network, and takes the gradient of the
supervised loss alone (for the head) and of the sum of the losses (for everything below it).
"""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support.usb import build as usb_built
from support.usb import usb_class, usb_module
from torch import nn

from usb_ext.core.errors import SettingsError
from usb_ext.engine.hooks.update import ParameterUpdateHook
from usb_ext.methods.layermatch.grad_relu import GradReLUHook
from usb_ext.methods.step.head_tap import HeadTap, find_head, grad_relu_linear
from usb_ext.methods.step.views import forward_apart
from usb_ext.upstream.nets import ResNet50WithHead, net_builder

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


def usb_resnet(num_classes: int) -> nn.Module:
    """USB's ResNet-50 with one narrow block a stage; its head is `classifier`."""
    return ResNet50WithHead(num_classes=num_classes, layers=[1, 1, 1, 1], width_per_group=8)


class Encoder(nn.Module):
    """Takes what BERT takes and gives hidden states of its width."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(20, 768)
        self.mix = nn.Linear(768, 768)

    def forward(self, input_ids: torch.Tensor, **_: Any) -> dict[str, torch.Tensor]:
        words = self.words(input_ids)
        return {"last_hidden_state": (self.mix(words) + words.mean(dim=1, keepdim=True)).tanh()}


def usb_bert(num_classes: int) -> nn.Module:
    """USB's text network, its head the end of a Sequential, on an encoder that needs no download."""
    encoder = SimpleNamespace(from_pretrained=lambda _: Encoder())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(usb_module("semilearn.nets.bert.bert"), "BertModel", encoder)
        return net_builder("bert_base_uncased")(num_classes=num_classes)


OWN = {"tiny_resnet": TinyResNet, "usb_resnet": usb_resnet, "usb_bert": usb_bert}


def build(kind: str) -> nn.Module:
    torch.manual_seed(11)
    net = (OWN[kind] if kind in OWN else net_builder(kind))(num_classes=CLASSES)
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


@pytest.mark.parametrize("kind", ["wrn_10_1", "vit_tiny_patch2_32", "tiny_resnet", "usb_resnet"])
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
    through_a_copy = F.linear(hook.tap.inputs(), head.weight, head.bias)  # as Avg-Clustering does
    torch.testing.assert_close(through_a_copy, plain, rtol=1e-12, atol=1e-12)
    got = gradients(net, sum(two_losses(logits, labelled)))

    of_head = {n for n, p in net.named_parameters() if any(p is q for q in head.parameters())}
    assert len(of_head) == 2
    for name, gradient in got.items():
        wanted = alone[name] if name in of_head else both[name]
        torch.testing.assert_close(gradient, wanted, rtol=1e-9, atol=1e-10, msg=name)
    moved = [n for n in got if (alone[n] - both[n]).abs().max() > 1e-6]
    assert of_head < set(moved)


def tokens(rows: int, seed: int) -> dict[str, torch.Tensor]:
    words = torch.randint(20, (rows, 6), generator=torch.Generator().manual_seed(seed))
    return {"input_ids": words, "attention_mask": torch.ones_like(words)}


@pytest.mark.parametrize("kind", ["wrn_10_1", "usb_bert"])
def test_pass_by_pass_without_use_cat(kind: str) -> None:
    """Texts go labelled, strong, weak; each pass has its own dropout."""
    net = build(kind)
    sizes = (LABELLED, 4, 4)
    if kind == "usb_bert":
        parts = [tokens(n, seed) for seed, n in enumerate(sizes)]
    else:
        parts = [normal(n, 3, 32, 32, seed=seed) for seed, n in enumerate(sizes)]

    def losses(tap: HeadTap | None) -> tuple[torch.Tensor, torch.Tensor]:
        torch.manual_seed(5)
        views = forward_apart(net, *parts, tap)
        return two_losses(torch.cat((views.logits_lb, views.logits_s)), LABELLED)

    supervised, unsupervised = losses(None)
    alone, both = gradients(net, supervised), gradients(net, supervised + unsupervised)
    hook = GradReLUHook(HeadTap(find_head(net, CLASSES)))
    got = gradients(net, sum(losses(hook.tap)))
    names = [n for n, _ in net.named_parameters()]
    assert names[-2:] == ["classifier.2.weight", "classifier.2.bias"] or kind != "usb_bert"
    for name in names:
        wanted = alone[name] if name in names[-2:] else both[name]
        torch.testing.assert_close(got[name], wanted, rtol=1e-9, atol=1e-10, msg=name)
    assert (alone[names[-1]] - both[names[-1]]).abs().max() > 1e-3


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


def test_on_a_class_of_usb_the_labelled_batch_comes_first() -> None:
    run = usb_built(usb_class("fixmatch"), batch_size=LABELLED)
    hook = GradReLUHook.on(run)
    hook.before_train_step(run)
    run.model(normal(ROWS, 12, seed=3))["logits"].sum().backward()
    bias = run.model.classifier.bias
    assert torch.allclose(bias.grad, torch.full_like(bias, float(LABELLED)))
    assert hook.tap.features is not None
    hook.after_train_step(run)
    assert hook.tap.features is None
    assert hook.tap.labelled_rows is None


@pytest.mark.parametrize("scale", [None, 2.0**12])
@pytest.mark.parametrize(("clip", "decay"), [(0.0, 0.0), (0.4, 0.0), (0.0, 0.2), (0.4, 0.2)])
def test_what_follows_the_backward_pass_needs_no_care(
    scale: float | None, clip: float, decay: float
) -> None:
    """Two batches' gradients add up; then unscaling, clipping to a norm, and a step with decay."""
    net = build("tiny_resnet")
    batches = [normal(ROWS, 3, 32, 32, seed=s) for s in (3, 4)]
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    wanted = {n: torch.zeros_like(p) for n, p in before.items()}
    for images in batches:
        supervised, unsupervised = two_losses(forward(net, images), LABELLED)
        alone, both = gradients(net, supervised), gradients(net, supervised + unsupervised)
        for name in wanted:
            wanted[name] += (alone if name.startswith("fc") else both)[name]
    norm = torch.sqrt(sum((g**2).sum() for g in wanted.values())).item()
    factor = min(1.0, clip / norm) if clip else 1.0

    tap = GradReLUHook(HeadTap(net.fc)).tap
    scaler = torch.amp.GradScaler("cpu", enabled=scale is not None, init_scale=scale or 1.0)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, weight_decay=decay)
    losses = []
    for images in batches:
        tap.labelled_rows = LABELLED
        losses.append(sum(two_losses(forward(net, images), LABELLED)))
    scaler.scale(losses[0]).backward()
    run = SimpleNamespace(model=net, loss_scaler=scaler, clip_grad=clip, optimizer=optimizer)
    run.scheduler, run.out_dict = None, {"loss": losses[1]}
    ParameterUpdateHook().after_train_step(run)
    assert norm > 1.0
    for name, parameter in net.named_parameters():
        step = factor * wanted[name] + decay * before[name]
        torch.testing.assert_close(parameter, before[name] - 0.05 * step, rtol=1e-5, atol=1e-7)


def test_on_a_network_without_a_head_is_refused() -> None:
    run = usb_built(usb_class("freematch"))
    run.model = nn.Conv2d(3, 4, 1)
    with pytest.raises(SettingsError, match="outputs found in Conv2d"):
        GradReLUHook.on(run)
