"""Per-example gradients against plain backpropagation of one example at a time, in float64."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers_nets import case, cross_entropies, images_and_labels, prepared
from torch import nn

from usb_ext.functional.per_example_gradients import batch_size, per_example_gradients
from usb_ext.upstream.nets import wrn_10_1


def rows(batch: Any, i: int) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch[i : i + 1]
    if isinstance(batch, dict):
        return {k: rows(v, i) for k, v in batch.items()}
    return tuple(rows(v, i) for v in batch)


def by_hand(net: nn.Module, losses: Any, batch: Any) -> list[dict[str, torch.Tensor]]:
    """`loss.backward()` on batches of one."""
    found = []
    for i in range(batch_size(batch)):
        net.zero_grad(set_to_none=True)
        losses(net, rows(batch, i)).sum().backward()
        found.append(
            {
                n: torch.zeros_like(p) if p.grad is None else p.grad.clone()
                for n, p in net.named_parameters()
                if p.requires_grad
            }
        )
    net.zero_grad(set_to_none=True)
    return found


def assert_equal(found: dict[str, torch.Tensor], wanted: list[dict[str, torch.Tensor]]) -> None:
    assert list(found) == list(wanted[0])
    for name, values in found.items():
        expected = torch.stack([w[name] for w in wanted])
        torch.testing.assert_close(values, expected, rtol=1e-9, atol=1e-11, msg=name)


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


CONVOLUTIONS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "plain, many positions": (nn.Conv2d(3, 4, 3, padding=1), (3, 12, 12)),
    "plain, few positions": (nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 0)), (3, 7, 8)),
    "dilated, few": (nn.Conv2d(3, 4, 2, dilation=(2, 3), bias=False), (3, 8, 8)),
    "dilated and strided, many": (nn.Conv2d(2, 4, 3, stride=2, dilation=2, padding=3), (2, 27, 25)),
    "groups": (nn.Conv2d(4, 6, 3, groups=2, padding=1), (4, 5, 6)),
    "depthwise": (nn.Conv2d(4, 8, 3, groups=4, stride=2), (4, 7, 7)),
    "reflect": (nn.Conv2d(3, 4, 3, padding=(2, 1), padding_mode="reflect"), (3, 6, 5)),
    "same": (nn.Conv2d(3, 4, (2, 3), padding="same"), (3, 6, 5)),
    "circular 1d": (nn.Conv1d(3, 4, 5, padding=2, padding_mode="circular", stride=2), (3, 11)),
    "3d": (nn.Conv3d(2, 3, 2, stride=(1, 2, 1), padding=1), (2, 3, 4, 5)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name: str) -> None:
    layer, shape = CONVOLUTIONS[name]
    net = prepared(layer)
    x = torch.randn(5, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))

    def losses(net: Any, batch: torch.Tensor) -> torch.Tensor:
        return net(batch).tanh().square().flatten(1).sum(1)

    assert_equal(per_example_gradients(net, losses, x), by_hand(net, losses, x))


class Zoo(nn.Module):
    """Every other kind of layer; one layer called twice, one weight in two layers, one frozen bias."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(7, 4, padding_idx=0)
        self.places = nn.Embedding(3, 4)
        self.norm2d = nn.LayerNorm((3, 4))
        self.twice = nn.Linear(4, 4)
        self.bn1 = nn.BatchNorm1d(4)
        self.bn_of_places = nn.BatchNorm1d(3, affine=True)
        self.norm = nn.LayerNorm(4, bias=False)
        self.tied = nn.Linear(4, 7)
        self.tied.weight = self.words.weight
        self.tied.bias.requires_grad_(False)
        self.unused = nn.Linear(2, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.words(ids) + self.places(torch.arange(3)[None])
        x = self.twice(self.norm2d(x)).tanh()
        x = self.bn_of_places(self.twice(input=x))
        x = F.relu(self.bn1(self.norm(x).mean(1)), inplace=True)
        logits: torch.Tensor = self.tied(x)
        return logits


def zoo_losses(net: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return F.cross_entropy(net(batch["ids"]), batch["y"], reduction="none")


def test_all_layers_called_once_twice_tied_frozen_or_never() -> None:
    torch.manual_seed(0)
    net = prepared(Zoo())
    batch = {
        "ids": torch.tensor([[1, 2, 2], [0, 3, 0], [6, 6, 6], [5, 0, 1]]),
        "y": torch.arange(4),
    }
    found = per_example_gradients(net, zoo_losses, batch)
    assert_equal(found, by_hand(net, zoo_losses, batch))
    assert "tied.bias" not in found
    assert found["unused.weight"].shape == (4, 2, 2) and not found["unused.weight"].any()


def test_their_sum_is_the_gradient_of_the_sum_in_float32() -> None:
    torch.manual_seed(0)
    net = wrn_10_1(num_classes=10).eval()
    batch = (torch.randn(6, 3, 16, 16), torch.arange(6))
    found = per_example_gradients(net, cross_entropies, batch)
    cross_entropies(net, batch).sum().backward()
    for name, parameter in net.named_parameters():
        wanted = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(found[name].sum(0), wanted, rtol=1e-3, atol=1e-4, msg=name)


class Scaled(nn.Module):
    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)
        self.scale = nn.Parameter(torch.ones(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) * self.scale


def squares(net: Any, x: torch.Tensor) -> torch.Tensor:
    return net(x).square().flatten(1).sum(1)


class GoneRound(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.inner.weight)


class Overwritten(GoneRound):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            y = x.clone()
        z = self.inner(y)
        y.data.zero_()
        y.mul_(2)
        return z


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (
            nn.Sequential(nn.Linear(3, 3), Scaled((3,))),
            r"layer 1 \(Scaled\) holds 1.scale .*\(3,\)",
        ),
        (nn.Sequential(nn.PReLU()), r"layer 0 \(PReLU\)"),
        (nn.BatchNorm1d(3), r"BatchNorm1d\) is a batch norm on statistics of the batch.*eval"),
        (GoneRound(), "parameter inner.weight is used, but its layer is not called"),
        (Overwritten(), r"layer inner \(Linear\): its input was overwritten"),
        (nn.Embedding(4, 2, max_norm=1.0), "max_norm"),
    ],
)
def test_what_it_cannot_do_is_named(net: nn.Module, message: str) -> None:
    x = torch.tensor([[1], [2]]) if isinstance(net, nn.Embedding) else torch.ones(2, 3)
    with pytest.raises(ValueError, match=message):
        per_example_gradients(net, squares, x)
    assert not any(m._forward_hooks for m in net.modules())


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
