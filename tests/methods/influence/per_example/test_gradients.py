"""One pass for every kind of layer, however it is called, and what it refuses."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support.gradients import Scaled, assert_equal, by_hand, squares
from support.nets import case, prepared
from torch import nn

from usb_ext.methods.influence.per_example.gradients import (
    Method,
    per_example_gradients,
    sort_parameters,
)


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


def test_parameters_that_every_example_shares_are_found() -> None:
    net, _ = case("vit")
    layers, shared = sort_parameters(net)
    assert set(shared) == {"cls_token", "pos_embed"}
    assert {name.rsplit(".")[-1] for name in layers} >= {"proj", "norm1", "qkv", "fc1", "head"}


class WordsFirst(nn.Module):
    """(B, S, 3) as (S, B, 3) through a layer, or one layer on a table of places that all examples share."""

    def __init__(self, places: bool) -> None:
        super().__init__()
        self.places = nn.Embedding(4, 3) if places else None
        self.inner = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.places is not None:
            x = x + self.places(torch.arange(x.shape[1]))
        first: torch.Tensor = self.inner(x.transpose(0, 1)).tanh().transpose(0, 1)
        return first


@pytest.mark.parametrize("num", [2, 3, 4, 5])
@pytest.mark.parametrize("words", [2, 3, 4])
def test_words_before_examples_are_refused_also_where_there_are_as_many(
    num: int, words: int
) -> None:
    """A batch of as many examples as words would have given the gradients of the words."""
    x = torch.randn(num, words, 3, generator=torch.Generator().manual_seed(0))
    net = WordsFirst(places=False)
    with pytest.raises(ValueError, match=r"layer inner \(Linear\) got .*first dimension"):
        per_example_gradients(net, squares, x)
    assert not any(m._forward_pre_hooks for m in net.modules())


def test_places_that_all_examples_share_are_not_taken_for_examples() -> None:
    x = torch.randn(4, 4, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=r"layer places \(Embedding\) got \(4,\)"):
        per_example_gradients(WordsFirst(places=True), squares, x)


class Sequences(nn.Module):
    """Sequences of vectors (3,) to (B, 2): each through two layers, then their mean over `words`."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.inner, self.outer, self.words = nn.Linear(3, 5), nn.Linear(5, 2), words

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean: torch.Tensor = self.outer(self.inner(x).tanh()).mean(dim=self.words)
        return mean


@pytest.mark.parametrize("method", ["layers", "func", "loop"])
@pytest.mark.parametrize("words", [2, 3, 4])
@pytest.mark.parametrize("num", [2, 3, 4])
def test_a_batch_with_words_first_is_refused_by_every_method(
    num: int, words: int, method: Method
) -> None:
    """With as many words as examples the losses have the right shape, and the rows are words."""
    x = torch.randn(words, num, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=r"losses ha(ve|d) shape"):
        per_example_gradients(Sequences(0), squares, x, method=method)


@pytest.mark.parametrize("words", [2, 4])
def test_the_same_batch_with_examples_first_is_taken(words: int) -> None:
    x = torch.randn(4, words, 3, generator=torch.Generator().manual_seed(0)).double()
    net = Sequences(1).double()
    assert_equal(per_example_gradients(net, squares, x), by_hand(net, squares, x))


def test_losses_that_know_the_whole_batch_are_refused_in_a_sentence() -> None:
    x, y = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    with pytest.raises(
        ValueError, match="must take any rows of the batch, but with 2 of 4: Expect"
    ):
        per_example_gradients(
            nn.Linear(3, 3),
            lambda net, batch: F.cross_entropy(net(batch), y, reduction="none"),
            x,
        )
