"""Influence against retraining, and against an explicit inverse of automatic differentiation's Hessian."""

import pytest
import torch
import torch.nn.functional as F

from usb_ext.methods.influence.gradients import (
    InverseSettings,
    cosine,
    inverse_product,
    weight_gradients,
)
from usb_ext.methods.influence.last_layer import Curvature, mean_gradient, residuals, with_bias

CLASSES, DIM, LABELLED, UNLABELLED, HELD_OUT, DECAY = 3, 3, 300, 30, 50, 0.5


def points(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Three overlapping Gaussian classes in float64; inputs carry a 1 for the bias."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randint(CLASSES, (n,), generator=generator)
    centres = 1.2 * torch.eye(CLASSES, DIM, dtype=torch.float64)
    noise = torch.randn(n, DIM, generator=generator, dtype=torch.float64)
    return with_bias(centres[classes] + noise, True), classes


X_LB, Y_LB = points(LABELLED, 0)
X_ULB, TRUE = points(UNLABELLED, 1)
X_VAL, Y_VAL = points(HELD_OUT, 2)
HARD = torch.where(
    torch.arange(UNLABELLED) % 3 == 0, (TRUE + 1) % CLASSES, TRUE
)  # a third is wrong
SOFT = 0.8 * F.one_hot(HARD, CLASSES).double() + 0.2 / CLASSES
WEIGHTS = torch.linspace(0, 1.5, UNLABELLED, dtype=torch.float64)


def training_loss(
    kernel: torch.Tensor, weights: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Eq. 2's sum, with weight decay."""
    labelled = F.cross_entropy(X_LB @ kernel.T, Y_LB, reduction="sum")
    unlabelled = F.cross_entropy(X_ULB @ kernel.T, targets, reduction="none")
    return labelled + (weights * unlabelled).sum() + DECAY / 2 * kernel.square().sum()


def trained(weights: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The minimum, by Newton steps to machine precision: the problem is convex."""
    kernel = torch.zeros(CLASSES, DIM + 1, dtype=torch.float64)
    for _ in range(30):
        leaf = kernel.clone().requires_grad_()
        (slope,) = torch.autograd.grad(training_loss(leaf, weights, targets), leaf)
        if slope.abs().max() < 1e-12:
            return kernel
        bend = hessian(kernel, weights, targets)
        kernel = kernel - torch.linalg.solve(bend, slope.flatten()).view_as(kernel)
    raise AssertionError("Newton did not converge")


def hessian(kernel: torch.Tensor, weights: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    found = torch.autograd.functional.hessian(lambda k: training_loss(k, weights, targets), kernel)
    return found.view(kernel.numel(), kernel.numel())


def validation_loss(kernel: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(X_VAL @ kernel.T, Y_VAL)


def ours(
    kernel: torch.Tensor, weights: torch.Tensor, targets: torch.Tensor, **how: object
) -> torch.Tensor:
    """Eq. 6 in closed form."""
    features = torch.cat((X_LB, X_ULB))
    curvature = Curvature(
        torch.softmax(features @ kernel.T, dim=-1),
        features,
        torch.cat((torch.ones(LABELLED).double(), weights)),
        DECAY,
    )
    right = mean_gradient(residuals(X_VAL @ kernel.T, Y_VAL), X_VAL)
    inverse = inverse_product(curvature, right, InverseSettings(**how))  # type: ignore[arg-type]
    return weight_gradients(inverse.value, residuals(X_ULB @ kernel.T, targets), X_ULB)


@pytest.mark.parametrize("targets", [HARD, SOFT], ids=["hard", "soft"])
@pytest.mark.parametrize("kind", ["exact", "cg"])
def test_against_the_explicit_inverse(targets: torch.Tensor, kind: str) -> None:
    kernel = trained(WEIGHTS, targets)
    inverse = torch.linalg.inv(hessian(kernel, WEIGHTS, targets))
    leaf = kernel.clone().requires_grad_()
    (g_val,) = torch.autograd.grad(validation_loss(leaf), leaf)
    wanted = []
    for u in range(UNLABELLED):
        loss = F.cross_entropy(X_ULB[u] @ leaf.T, targets[u])
        (g_u,) = torch.autograd.grad(loss, leaf)
        wanted.append(-(g_val.flatten() @ inverse @ g_u.flatten()))
    found = ours(kernel, WEIGHTS, targets, kind=kind, cg_tolerance=1e-12)
    torch.testing.assert_close(found, torch.stack(wanted), rtol=1e-6, atol=1e-12)


def test_it_is_the_derivative_of_retraining() -> None:
    """Central differences of the validation loss of the retrained layer in every weight."""
    found, step = ours(trained(WEIGHTS, HARD), WEIGHTS, HARD), 1e-4
    for u in range(0, UNLABELLED, 5):
        sides = []
        for sign in (1, -1):
            moved = WEIGHTS.clone()
            moved[u] += sign * step
            sides.append(validation_loss(trained(moved, HARD)).item())
        assert found[u].item() == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=1e-5)


def test_leave_one_in_retraining_agrees() -> None:
    """Each example is added, with weight 1, to training on the labelled ones alone."""
    nothing = torch.zeros(UNLABELLED, dtype=torch.float64)
    kernel = trained(nothing, HARD)
    before = validation_loss(kernel)
    changes = []
    for u in range(UNLABELLED):
        added = nothing.clone()
        added[u] = 1.0
        changes.append(validation_loss(trained(added, HARD)) - before)
    found, real = ours(kernel, nothing, HARD), torch.stack(changes)
    assert torch.corrcoef(torch.stack((found, real)))[0, 1] > 0.99
    clear = real.abs() > 0.05 * real.abs().max()
    assert clear.sum() > UNLABELLED / 2
    assert torch.equal(found[clear].sign(), real[clear].sign())


def test_conjugate_gradients_and_cholesky_agree() -> None:
    kernel = trained(WEIGHTS, SOFT)
    exact = ours(kernel, WEIGHTS, SOFT, kind="exact")
    iterative = ours(kernel, WEIGHTS, SOFT, kind="cg", cg_tolerance=1e-9)
    assert ((exact - iterative).norm() / exact.norm()).item() < 1e-6
    small = ours(kernel, WEIGHTS, SOFT, kind="auto", exact_size=CLASSES * (DIM + 1))
    large = ours(kernel, WEIGHTS, SOFT, kind="auto", exact_size=CLASSES * (DIM + 1) - 1,
                 cg_tolerance=1e-9)  # fmt: skip
    assert torch.equal(small, exact) and torch.equal(large, iterative)


def test_a_large_head_is_solved_without_its_hessian() -> None:
    """100 classes x 768 features and biases: the Hessian would hold 76,900^2 doubles, 44 GiB."""
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(40, 769, generator=generator, dtype=torch.float64)
    logits = torch.randn(40, 100, generator=generator, dtype=torch.float64)
    curvature = Curvature(
        torch.softmax(logits, dim=-1), features, torch.full((40,), 1 / 40).double(), 0.1
    )
    right = torch.randn(100, 769, generator=generator, dtype=torch.float64)
    found = inverse_product(curvature, right, InverseSettings(cg_tolerance=1e-8))
    assert found.iterations > 0
    assert (curvature.product(found.value) - right).norm() < 1e-6 * right.norm()


def test_one_weight_for_all_has_the_sum_of_the_derivatives() -> None:
    """The shared weight moves the whole unlabelled loss: differences of retraining with it."""
    even, step = torch.ones(UNLABELLED, dtype=torch.float64), 1e-4
    sides = [validation_loss(trained((1 + s * step) * even, HARD)).item() for s in (1, -1)]
    found = ours(trained(even, HARD), even, HARD).sum().item()
    assert found == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=1e-5)


def test_the_identity_is_a_dot_product_of_gradients() -> None:
    kernel = trained(WEIGHTS, HARD).requires_grad_()
    (g_val,) = torch.autograd.grad(validation_loss(kernel), kernel)
    (g_3,) = torch.autograd.grad(F.cross_entropy(X_ULB[3] @ kernel.T, HARD[3]), kernel)
    found = ours(kernel.detach(), WEIGHTS, HARD, kind="identity")
    assert found[3].item() == pytest.approx(-(g_val * g_3).sum().item(), rel=1e-10)


def test_a_long_neumann_series_tends_to_the_exact_inverse() -> None:
    kernel = trained(WEIGHTS, HARD)
    top = torch.linalg.eigvalsh(hessian(kernel, WEIGHTS, HARD)).max().item()
    found = ours(kernel, WEIGHTS, HARD, kind="neumann", neumann_rate=1 / top, neumann_terms=3000)
    torch.testing.assert_close(found, ours(kernel, WEIGHTS, HARD), rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("kind", ["exact", "cg"])
def test_an_indefinite_hessian_gets_damping_and_is_counted(kind: str) -> None:
    """Negative weights bend the loss downwards in some directions."""
    kernel = trained(WEIGHTS, HARD)
    weights = torch.where(torch.arange(UNLABELLED) % 2 == 0, 1.0, -1.5).double()
    probs = torch.softmax(X_ULB @ kernel.T, dim=-1)
    curvature = Curvature(probs, X_ULB, weights, 1e-3)
    least = torch.linalg.eigvalsh(curvature.matrix()).min().item()
    right = mean_gradient(residuals(X_VAL @ kernel.T, Y_VAL), X_VAL)
    found = inverse_product(curvature, right, InverseSettings(kind, cg_tolerance=1e-12))
    assert least < 0 and found.raises > 0
    shift = 1e-3 * 10**found.raises  # what was enough, and with exact the first that was
    if kind == "exact":
        assert shift - 1e-3 > -least > shift / 10 - 1e-3
    curved = curvature.matrix() + (shift - 1e-3) * torch.eye(curvature.size)
    rescued = torch.linalg.solve(curved, right.flatten()).view_as(right)
    torch.testing.assert_close(found.value, rescued, rtol=1e-6, atol=1e-10)


def test_damping_of_nothing_starts_at_the_rounding_error() -> None:
    """Softmax does not see a constant in all logits: without decay and damping H is singular."""
    curvature = Curvature(torch.full((2, 2), 0.5).double(), torch.eye(2).double(),
                          -1e-9 * torch.ones(2).double(), 0.0)  # fmt: skip
    found = inverse_product(curvature, torch.eye(2).double(), InverseSettings("exact"))
    assert found.raises > 0 and torch.isfinite(found.value).all()


def test_numbers_that_are_none_and_unknown_kinds_are_refused() -> None:
    curvature = Curvature(torch.full((2, 2), float("nan")), torch.ones(2, 1), torch.ones(2), 1.0)
    with pytest.raises(ArithmeticError, match="infinities or NaN"):
        inverse_product(curvature, torch.ones(2, 1), InverseSettings("exact"))
    fine = Curvature(torch.full((2, 2), 0.5), torch.ones(2, 1), torch.ones(2), 1.0)
    with pytest.raises(ValueError, match="diagonal.*neumann"):
        inverse_product(fine, torch.ones(2, 1), InverseSettings("diagonal"))


@pytest.mark.parametrize("kind", ["exact", "cg", "neumann", "identity"])
def test_what_a_solution_leaves_is_told(kind: str) -> None:
    kernel = trained(WEIGHTS, HARD)
    curvature = Curvature(torch.softmax(X_LB @ kernel.T, dim=-1), X_LB,
                          torch.ones(LABELLED).double(), DECAY)  # fmt: skip
    right = mean_gradient(residuals(X_VAL @ kernel.T, Y_VAL), X_VAL)
    found = inverse_product(
        curvature, right, InverseSettings(kind, cg_iterations=2, neumann_terms=3)
    )
    left = curvature.matrix() @ found.value.flatten() - right.flatten()
    assert found.residual.item() == pytest.approx((left.norm() / right.norm()).item(), abs=1e-12)
    assert found.converged == (kind != "cg")  # two steps are too few for twelve parameters
    assert (found.residual < 1e-10) == (kind == "exact")


def test_nothing_to_solve_leaves_nothing_and_points_nowhere() -> None:
    curvature = Curvature(torch.full((2, 2), 0.5), torch.eye(2), torch.ones(2), 1.0)
    found = inverse_product(curvature, torch.zeros(2, 2), InverseSettings("exact"))
    assert found.residual == 0 and found.converged
    assert cosine(found.value, torch.ones(2, 2)) == 0


def test_a_large_damping_turns_the_exact_inverse_into_the_identity() -> None:
    """At a damping far above H's largest eigenvalue the directions agree, far below they do not."""
    probs = torch.softmax(X_LB @ trained(WEIGHTS, HARD).T, dim=-1)
    right = mean_gradient(residuals(X_VAL @ trained(WEIGHTS, HARD).T, Y_VAL), X_VAL)
    even = torch.full((LABELLED,), 1 / LABELLED).double()
    top = torch.linalg.eigvalsh(Curvature(probs, X_LB, even, 0.0).matrix()).max().item()
    turned = []
    for share in (1e3, 1e-3):
        curvature = Curvature(probs, X_LB, even, share * top)
        wanted = torch.linalg.solve(curvature.matrix(), right.flatten())
        found = cosine(inverse_product(curvature, right, InverseSettings("exact")).value, right)
        turned.append(found.item())
        assert found.item() == pytest.approx(
            F.cosine_similarity(wanted, right.flatten(), dim=0).item(), abs=1e-10
        )
    assert turned[0] > 1 - 1e-6 and turned[1] < 0.99


def test_the_mean_diagonal_is_the_mean_eigenvalue_without_the_shift() -> None:
    probs = torch.softmax(X_ULB @ trained(WEIGHTS, HARD).T, dim=-1)
    bare = torch.linalg.eigvalsh(Curvature(probs, X_ULB, WEIGHTS, 0.0).matrix())
    for shift in (0.0, 0.7):
        found = Curvature(probs, X_ULB, WEIGHTS, shift).mean_diagonal
        assert found == pytest.approx(bare.mean().item(), rel=1e-12)
