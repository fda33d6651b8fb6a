"""The last layer's closed forms against automatic differentiation, in float64."""

import pytest
import torch
import torch.nn.functional as F

from usb_ext.methods.influence.last_layer import Curvature, mean_gradient, residuals, with_bias

N, CLASSES, DIM = 7, 4, 3


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some_targets(kind: str) -> torch.Tensor:
    if kind == "hard":
        return torch.randint(CLASSES, (N,), generator=torch.Generator().manual_seed(1))
    soft = torch.softmax(2 * normal(N, CLASSES, seed=2), dim=-1)
    return soft if kind == "soft" else soft * torch.linspace(0.2, 1.5, N)[:, None].double()


def losses(kernel: torch.Tensor, features: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropies written out: the oracle's own."""
    log = torch.log_softmax(features @ kernel.T, dim=-1)
    if targets.ndim == 1:
        return -log[torch.arange(N), targets]
    return -(targets * log).sum(dim=-1)


@pytest.mark.parametrize("kind", ["hard", "soft", "unnormalised"])
@pytest.mark.parametrize("bias", [True, False])
def test_residuals_give_the_gradient_of_every_example(kind: str, bias: bool) -> None:
    features, targets = with_bias(normal(N, DIM, seed=0), bias), some_targets(kind)
    width = DIM + bias
    assert features.shape == (N, width)
    kernel = normal(CLASSES, width, seed=3)
    found = residuals(features @ kernel.T, targets)
    for i in range(N):
        leaf = kernel.clone().requires_grad_()
        (wanted,) = torch.autograd.grad(losses(leaf, features, targets)[i], leaf)
        torch.testing.assert_close(torch.outer(found[i], features[i]), wanted)
    leaf = kernel.clone().requires_grad_()
    (mean,) = torch.autograd.grad(losses(leaf, features, targets).mean(), leaf)
    torch.testing.assert_close(mean_gradient(found, features), mean)


def test_the_appended_column_is_the_bias() -> None:
    features, bias = normal(N, DIM, seed=0), normal(CLASSES, seed=4)
    kernel = normal(CLASSES, DIM, seed=3)
    joined = torch.cat((kernel, bias[:, None]), dim=1)
    layer = F.linear(features, kernel, bias)
    torch.testing.assert_close(with_bias(features, True) @ joined.T, layer)


@pytest.mark.parametrize("kind", ["hard", "unnormalised"])
def test_the_curvature_is_the_hessian(kind: str) -> None:
    features, targets = with_bias(normal(N, DIM, seed=0), True), some_targets(kind)
    weights = torch.linspace(0.0, 1.3, N, dtype=torch.float64)
    kernel, shift = normal(CLASSES, DIM + 1, seed=3), 0.37

    def objective(given: torch.Tensor) -> torch.Tensor:
        return (weights * losses(given, features, targets)).sum() + shift / 2 * given.square().sum()

    size = kernel.numel()
    wanted = torch.autograd.functional.hessian(objective, kernel).view(size, size)
    of_target = torch.ones(N).double() if targets.ndim == 1 else targets.sum(dim=-1)
    curvature = Curvature(
        torch.softmax(features @ kernel.T, dim=-1), features, weights * of_target, shift
    )
    assert curvature.size == size
    torch.testing.assert_close(curvature.matrix(), wanted)
    vector = normal(CLASSES, DIM + 1, seed=9)
    torch.testing.assert_close(
        curvature.product(vector), (wanted @ vector.flatten()).view(CLASSES, DIM + 1)
    )
