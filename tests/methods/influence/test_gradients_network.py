"""Influence beyond the head against loops over examples and against the full Hessian, in float64."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from usb_ext.methods.influence.gradients import (
    InverseSettings,
    hessian_product,
    network_weight_gradients,
)

CLASSES, SHIFT = 3, 0.4
Parameters = dict[str, torch.Tensor]


class Attending(nn.Module):
    """Every kind of layer at a small size: embedding, attention, norms, convolution, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 4)
        self.mix = nn.Conv1d(4, 4, 3, padding=1)
        self.norm, self.layer_norm = nn.BatchNorm1d(4), nn.LayerNorm(4)
        self.unused = nn.Linear(2, 2)
        self.head = nn.Linear(4, CLASSES)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.words(tokens)
        x = x + F.scaled_dot_product_attention(x, x, x)
        x = self.norm(self.mix(self.layer_norm(x).transpose(1, 2)))
        x = F.relu(x, inplace=True)
        return self.head(F.dropout(x.mean(dim=2), training=self.training))


def setting() -> tuple[nn.Module, Parameters, dict[str, Callable[[Parameters], torch.Tensor]]]:
    torch.manual_seed(3)
    model = Attending().double()
    model(torch.randint(11, (20, 5)))  # statistics of batch norm
    model.eval()
    batches = {n: torch.randint(11, (k, 5)) for n, k in (("lb", 4), ("ulb", 6), ("val", 5))}
    labels = {n: torch.randint(CLASSES, (len(x),)) for n, x in batches.items()}
    shares = torch.linspace(0, 0.3, 6, dtype=torch.float64)

    def losses(given: Parameters, name: str) -> torch.Tensor:
        logits = functional_call(model, given, (batches[name],))
        return F.cross_entropy(logits, labels[name], reduction="none")

    named = {
        "train": lambda p: losses(p, "lb").mean() + (shares * losses(p, "ulb")).sum(),
        "validation": lambda p: losses(p, "val").mean(),
        "unlabelled": lambda p: losses(p, "ulb"),
    }
    return model, {n: p.detach() for n, p in model.named_parameters()}, named


def flat_gradient(loss: Callable[[Parameters], torch.Tensor], at: Parameters) -> torch.Tensor:
    leaves = {n: p.clone().requires_grad_() for n, p in at.items()}
    slopes = torch.autograd.grad(loss(leaves), list(leaves.values()), allow_unused=True)
    parts = [torch.zeros_like(p) if s is None else s
             for s, p in zip(slopes, leaves.values(), strict=True)]  # fmt: skip
    return torch.cat([part.flatten() for part in parts])


def full_hessian(loss: Callable[[Parameters], torch.Tensor], at: Parameters) -> torch.Tensor:
    sizes = [p.numel() for p in at.values()]

    def of_vector(vector: torch.Tensor) -> torch.Tensor:
        parts = torch.split(vector, sizes)
        return loss({n: s.view(p.shape) for s, (n, p) in zip(parts, at.items(), strict=True)})

    with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivative
        found: torch.Tensor = torch.autograd.functional.hessian(
            of_vector, torch.cat([p.flatten() for p in at.values()])
        )
    return found


@pytest.mark.parametrize("kind", ["identity", "neumann"])
def test_against_a_loop_over_examples(kind: str) -> None:
    _, parameters, losses = setting()
    inverse = flat_gradient(losses["validation"], parameters)
    if kind == "neumann":
        size = len(inverse)
        curved = full_hessian(losses["train"], parameters) + SHIFT * torch.eye(size).double()
        shrink, power = torch.eye(size).double() - 0.2 * curved, inverse.clone()
        for _ in range(5):
            power = shrink @ power
            inverse = inverse + power
        inverse = 0.2 * inverse
    wanted = [
        -(inverse @ flat_gradient(lambda p, u=u: losses["unlabelled"](p)[u], parameters))
        for u in range(6)
    ]
    how = InverseSettings(kind, neumann_rate=0.2, neumann_terms=5)
    found, products, turned = network_weight_gradients(
        parameters, losses["train"], losses["validation"], losses["unlabelled"], SHIFT, how
    )
    assert products == (5 if kind == "neumann" else 0)
    torch.testing.assert_close(found, torch.stack(wanted), rtol=1e-8, atol=1e-12)
    straight = flat_gradient(losses["validation"], parameters)
    torch.testing.assert_close(
        turned, torch.nn.functional.cosine_similarity(inverse, straight, dim=0)
    )
    assert not found.requires_grad


def test_products_are_those_of_the_full_hessian() -> None:
    _, parameters, losses = setting()
    product = hessian_product(losses["train"], parameters, SHIFT)
    curved = full_hessian(losses["train"], parameters)
    vector = torch.randn(len(curved), dtype=torch.float64)
    for _ in range(2):  # the graph is kept
        torch.testing.assert_close(product(vector), curved @ vector + SHIFT * vector)


def test_a_loss_without_curvature_has_the_shift_alone() -> None:
    at = {"w": torch.ones(3).double()}
    product = hessian_product(lambda p: p["w"].sum(), at, 0.5)
    assert product(torch.arange(3).double()).tolist() == [0.0, 0.5, 1.0]


def test_other_inverses_are_for_the_head() -> None:
    _, parameters, losses = setting()
    with pytest.raises(ValueError, match="exact.*identity, neumann"):
        network_weight_gradients(
            parameters, losses["train"], losses["validation"], losses["unlabelled"], SHIFT,
            InverseSettings("exact"),
        )  # fmt: skip
