"""The product of each layer by an index loop over examples, positions and channels."""

import torch
from torch import nn

from usb_ext.methods.influence.per_example.layers import PRODUCTS


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_linear_sums_over_positions() -> None:
    x, g = drawn(2, 3, 4), drawn(2, 3, 5, seed=1)
    found = PRODUCTS[nn.Linear](nn.Linear(4, 5).double(), x, g)
    for b in range(2):
        for o in range(5):
            for d in range(4):
                wanted = sum(g[b, t, o] * x[b, t, d] for t in range(3))
                torch.testing.assert_close(found["weight"][b, o, d], wanted)
    torch.testing.assert_close(found["bias"], g[:, 0] + g[:, 1] + g[:, 2])


def test_batch_norm_normalises_by_its_running_statistics() -> None:
    layer = nn.BatchNorm2d(2, eps=0.25).double().eval()
    layer.running_mean, layer.running_var = torch.tensor([1.0, -2.0]), torch.tensor([0.75, 3.75])
    x, g = drawn(3, 2, 2, 2), drawn(3, 2, 2, 2, seed=1)
    found = PRODUCTS[nn.BatchNorm2d](layer, x, g)
    for b in range(3):
        first = ((x[b, 0] - 1) / 1.0 * g[b, 0]).sum()
        second = ((x[b, 1] + 2) / 2.0 * g[b, 1]).sum()
        torch.testing.assert_close(found["weight"][b], torch.stack((first, second)))
        torch.testing.assert_close(found["bias"][b], g[b].sum(dim=(1, 2)))


def test_layer_norm_normalises_each_position() -> None:
    layer = nn.LayerNorm(4, eps=0.0).double()
    x, g = drawn(2, 3, 4), drawn(2, 3, 4, seed=1)
    wanted = torch.zeros(2, 4, dtype=torch.float64)
    for b in range(2):
        for t in range(3):
            wanted[b] += g[b, t] * (x[b, t] - x[b, t].mean()) / x[b, t].var(correction=0).sqrt()
    torch.testing.assert_close(PRODUCTS[nn.LayerNorm](layer, x, g)["weight"], wanted)


def test_embedding_adds_each_place_to_its_word() -> None:
    words, g = torch.tensor([[1, 1, 3], [0, 2, 0]]), drawn(2, 3, 2)
    layer = nn.Embedding(4, 2, padding_idx=0).double()
    wanted = torch.zeros(2, 4, 2, dtype=torch.float64)
    wanted[0, 1], wanted[0, 3], wanted[1, 2] = g[0, 0] + g[0, 1], g[0, 2], g[1, 1]
    torch.testing.assert_close(PRODUCTS[nn.Embedding](layer, words, g)["weight"], wanted)
