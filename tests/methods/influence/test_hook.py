"""The hook's update against automatic differentiation, its state, and a planted third of wrong targets."""

import contextlib
import logging
import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import make_moons
from sklearn.metrics import roc_auc_score
from support.usb import TinyNet
from torch import nn
from torch.func import functional_call

from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.methods.influence.gradients import InverseSettings
from usb_ext.methods.influence.hook import InfluenceWeightingHook
from usb_ext.methods.influence.update import InfluenceOptions

CLASSES, N_ULB, U, B, V, SCALE, SHIFT = 5, 20, 8, 4, 12, 1.5, 0.3
USUAL = InfluenceOptions(
    every=2, lr=0.1, optimizer="sgd", single=False, weight_max=math.inf, bias=True, scope="head",
    shift=SHIFT, inverse=InverseSettings("exact"), mean="batch",
)  # fmt: skip


class Loader:
    """Validation batches by number, and where the reader started."""

    def __init__(self, batches: list[dict[str, torch.Tensor]]) -> None:
        self.batches, self.batch_sampler = batches, SimpleNamespace(start_iter=0)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        return iter(self.batches[self.batch_sampler.start_iter :])


def algorithm_on(model: nn.Module, batches: list[dict[str, torch.Tensor]]) -> Any:
    return SimpleNamespace(
        it=0, model=model, log_dict={}, amp_cm=contextlib.nullcontext,
        loader_dict={"val": Loader(batches)},
    )  # fmt: skip


def setting(soft: bool = False) -> tuple[Any, list[dict[str, Any]]]:
    """A network in training mode and four steps' batches."""
    torch.manual_seed(0)
    model = TinyNet(CLASSES).double()
    with torch.no_grad():
        model.classifier.weight.div_(8)  # not too sure, so that the curvature has something to say
    model(torch.randn(30, 12).double())
    steps = []
    for step in range(4):
        targets: torch.Tensor = torch.randint(CLASSES, (U,))
        if soft:
            targets = torch.softmax(torch.randn(U, CLASSES).double(), dim=-1)
        indices = torch.randperm(N_ULB - 2)[:U]
        steps.append({
            "inputs": (torch.randn(B, 12).double(), torch.randint(CLASSES, (B,)),
                       torch.randn(U, 12).double()),
            "indices": indices, "targets": targets,
            "mask": (torch.rand(U) > 0.4).double() * (1 + step),
        })  # fmt: skip
    validation = [
        {"x_lb": torch.randn(V, 12).double(), "y_lb": torch.randint(CLASSES, (V,))}
        for _ in range(4)
    ]
    return algorithm_on(model.train(), validation), steps


def drive(hook: InfluenceWeightingHook, run: Any, steps: list[dict[str, Any]]) -> None:
    """As the step and the loop call it, one batch after the other."""
    for step in steps:
        hook.see(*step["inputs"])
        weights = hook.weigh(step["mask"], step["indices"])
        hook.remember(step["targets"], weights, SCALE)
        hook.after_train_step(run)
        run.it += 1


def hook_of(run: Any, **changed: Any) -> InfluenceWeightingHook:
    options = InfluenceOptions(**{**vars(USUAL), **changed})
    return InfluenceWeightingHook(run.model.classifier, torch.ones(N_ULB), options)


def expected(
    run: Any,
    step: dict[str, Any],
    validation: dict[str, Any],
    names: list[str],
    how: str,
    relative: float = 0.0,
) -> torch.Tensor:
    """Eq. 6 from gradients and a full Hessian in the named parameters, weights all 1."""
    model = run.model.eval()
    parts = dict(model.named_parameters())
    shapes = [parts[n].shape for n in names]
    start = torch.cat([parts[n].detach().flatten() for n in names])
    x_lb, y_lb, x_ulb = step["inputs"]

    def losses(vector: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        cut = torch.split(vector, [s.numel() for s in shapes])
        given = {n: c.view(s) for n, c, s in zip(names, cut, shapes, strict=True)}
        logits = functional_call(model, given, (x,))["logits"]
        return F.cross_entropy(logits, y, reduction="none")

    def objective(vector: torch.Tensor) -> torch.Tensor:
        unlabelled = (step["mask"] * losses(vector, x_ulb, step["targets"])).mean()
        return losses(vector, x_lb, y_lb).mean() + SCALE * unlabelled

    leaf = start.clone().requires_grad_()
    held_out = losses(leaf, validation["x_lb"], validation["y_lb"]).mean()
    (inverse,) = torch.autograd.grad(held_out, leaf)
    if how == "exact":
        curved = torch.autograd.functional.hessian(objective, start)
        shift = SHIFT + relative * curved.trace() / len(start)
        inverse = torch.linalg.inv(curved + shift * torch.eye(len(start))) @ inverse
    of_each = losses(leaf, x_ulb, step["targets"])
    grads = [torch.autograd.grad(each, leaf, retain_graph=True)[0] for each in of_each]
    model.train()
    return -torch.stack(grads) @ inverse


@pytest.mark.parametrize("soft", [True, False], ids=["soft", "hard"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "kernel"])
def test_an_update_is_equation_6_in_the_head(soft: bool, bias: bool) -> None:
    run, steps = setting(soft)
    names = ["classifier.weight", *(["classifier.bias"] if bias else [])]
    wanted = expected(run, steps[1], run.loader_dict["val"].batches[0], names, "exact")
    hook = hook_of(run, bias=bias)
    before = {n: b.clone() for n, b in run.model.named_buffers()}
    drive(hook, run, steps[:2])
    moved = torch.ones(N_ULB).double()
    moved[steps[1]["indices"]] -= 0.1 * wanted
    torch.testing.assert_close(hook.weights.double(), moved, rtol=1e-6, atol=1e-6)
    assert (hook.weights - 1).abs().max() > 1e-3
    assert all(torch.equal(b, before[n]) for n, b in run.model.named_buffers())
    assert all(m.training for m in run.model.modules())
    assert all(p.grad is None for p in run.model.parameters())


def test_a_damping_by_the_trace_goes_with_the_mean_eigenvalue() -> None:
    run, steps = setting()
    names = ["classifier.weight", "classifier.bias"]
    held_out = run.loader_dict["val"].batches[0]
    wanted = expected(run, steps[1], held_out, names, "exact", relative=20.0)
    hook = hook_of(run, relative=20.0)
    drive(hook, run, steps[:2])
    moved = torch.ones(N_ULB).double()
    moved[steps[1]["indices"]] -= 0.1 * wanted
    torch.testing.assert_close(hook.weights.double(), moved, rtol=1e-6, atol=1e-7)
    absolute = expected(run, steps[1], held_out, names, "exact")
    assert (wanted - absolute).abs().max() > 0.05 * absolute.abs().max()


@pytest.mark.parametrize(
    ("scope", "beginning"), [("network", ("body", "classifier")), ("last_block", ("body", "cla"))]
)
def test_an_update_beyond_the_head(scope: str, beginning: tuple[str, ...]) -> None:
    run, steps = setting()
    names = [n for n, _ in run.model.named_parameters() if n.startswith(beginning)]
    wanted = expected(run, steps[1], run.loader_dict["val"].batches[0], names, "identity")
    hook = hook_of(run, scope=scope, inverse=InverseSettings("identity"))
    drive(hook, run, steps[:2])
    moved = torch.ones(N_ULB).double()
    moved[steps[1]["indices"]] -= 0.1 * wanted
    torch.testing.assert_close(hook.weights.double(), moved, rtol=1e-6, atol=1e-6)


def test_only_every_nth_batch_moves_and_the_next_is_weighted_with_it() -> None:
    run, steps = setting()
    hook = hook_of(run)
    drive(hook, run, steps[:1])
    assert torch.equal(hook.weights, torch.ones(N_ULB)) and not run.log_dict
    drive(hook, run, steps[1:2])
    touched = torch.zeros(N_ULB, dtype=torch.bool)
    touched[steps[1]["indices"]] = True
    assert torch.equal(hook.weights != 1, touched)
    assert run.log_dict["train/influence_weight_mean"] == hook.weights.mean()
    weighted = hook.weigh(steps[2]["mask"], steps[2]["indices"])
    own = hook.weights[steps[2]["indices"]].double()
    torch.testing.assert_close(weighted, steps[2]["mask"] * own)


@pytest.mark.parametrize(("largest", "top"), [(1.25, 1.25), (math.inf, None)])
def test_weights_stay_in_their_range(largest: float, top: float | None) -> None:
    run, steps = setting()
    hook = hook_of(run, lr=50.0, weight_max=largest)
    drive(hook, run, steps[:2])
    assert hook.weights.min() == 0
    assert hook.weights.max() == top if top else hook.weights.max() > 2
    assert 0 < run.log_dict["train/influence_weight_zero"] < 1


def test_the_authors_one_weight_moves_by_the_unmasked_sum() -> None:
    run, steps = setting()
    apart, together = hook_of(run), hook_of(run, single=True, masked=False)
    drive(apart, run, steps[:2])
    run.it, run.loader_dict["val"].batch_sampler.start_iter = 0, 0
    drive(together, run, steps[:2])
    assert together.weights.shape == (N_ULB,) and len(together.weights.unique()) == 1
    wanted = 1 + (apart.weights - 1).sum()
    torch.testing.assert_close(together.weights[0], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "changed", [{"optimizer": "m_adam"}, {"optimizer": "adam", "single": True}]
)
@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_restored_hook_goes_on_as_if_nothing_had_been(changed: dict[str, Any], stop: int) -> None:
    run, steps = setting()
    whole = hook_of(run, **changed)
    drive(whole, run, steps)
    again, _ = setting()
    first = hook_of(again, **changed)
    drive(first, again, steps[:stop])
    state = first.state_dict()
    second = hook_of(again, **changed)
    second.load_state_dict(state)
    drive(second, again, steps[stop:])
    assert torch.equal(second.weights, whole.weights) and second.updates == whole.updates == 2
    assert torch.equal(second.optimizer.second, whole.optimizer.second)
    assert again.log_dict == run.log_dict
    untouched = hook_of(again, **changed)
    untouched.load_state_dict(state)
    assert untouched.updates == stop // 2  # what was saved has not moved on


def test_with_nothing_selected_one_weight_stays_where_it_is() -> None:
    run, steps = setting()
    steps[1]["mask"] = torch.zeros(U).double()
    hook, authors = hook_of(run, single=True), hook_of(run, single=True, masked=False)
    drive(hook, run, steps[:2])
    run.it, run.loader_dict["val"].batch_sampler.start_iter = 0, 0
    drive(authors, run, steps[:2])
    assert hook.updates == authors.updates == 1
    assert hook.weights[0] == 1 and authors.weights[0] != 1


def test_conjugate_gradients_that_stop_early_say_it_once(caplog: pytest.LogCaptureFixture) -> None:
    run, steps = setting()
    hook = hook_of(run, shift=1e-3, inverse=InverseSettings("cg", cg_iterations=2))
    with caplog.at_level(logging.WARNING):
        drive(hook, run, steps)
    left = float(run.log_dict["train/influence_residual"])
    assert caplog.text.count("conjugate gradients stopped after 2 iterations") == 1
    assert "step 2:" in caplog.text and "influence_cg_iter" in caplog.text and left > 1e-3
    assert hook.unsolved == hook.updates == hook.state_dict()["unsolved"] == 2
    solved = hook_of(run, inverse=InverseSettings("cg", cg_iterations=500))
    run.it = 0
    drive(solved, run, steps)
    assert solved.unsolved == 0 and run.log_dict["train/influence_residual"] < 1e-6


def test_an_indefinite_hessian_is_said_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    run, steps = setting()
    hook = hook_of(run, shift=-2.0)
    with caplog.at_level(logging.WARNING):
        drive(hook, run, steps)
    assert caplog.text.count("not positive definite") == 1 and "step 2:" in caplog.text
    assert hook.raised > 1 and torch.isfinite(hook.weights).all()
    assert run.log_dict["train/influence_damping_raised"] == hook.raised
    assert hook.state_dict()["raised"] == hook.raised


@pytest.mark.parametrize("kind", ["exact", "cg", "neumann", "identity"])
def test_a_network_that_has_run_away_ends_the_run_and_moves_no_weight(kind: str) -> None:
    run, steps = setting()
    with torch.no_grad():
        run.model.classifier.weight.fill_(math.nan)
    hook = hook_of(run, inverse=InverseSettings(kind))
    with pytest.raises(RunFailed, match="influence at step 2.*(NaN|not a number)"):
        drive(hook, run, steps[:2])
    assert torch.equal(hook.weights, torch.ones(N_ULB))


def test_what_it_cannot_do_without() -> None:
    run, steps = setting()
    hook = hook_of(run)
    with pytest.raises(SettingsError, match="idx_ulb"):
        hook.weigh(steps[0]["mask"], None)
    run.loader_dict = {}
    with pytest.raises(SettingsError, match="num_val"):
        drive(hook, run, steps[:2])


def moons(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    points, classes = make_moons(n, noise=0.1, random_state=seed)
    return torch.tensor(points), torch.tensor(classes)


class Perceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU())
        self.classifier = nn.Linear(100, 2)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": self.classifier(self.body(x))}


def test_corrupted_targets_end_with_lower_weights() -> None:
    """Moons, 10 labelled, 30 validation, 300 unlabelled of whose given targets 30% are wrong."""
    torch.manual_seed(1)
    (x_lb, y_lb), (x_val, y_val), (x_ulb, true) = moons(10, 0), moons(30, 1), moons(300, 2)
    corrupted = torch.zeros(300, dtype=torch.bool)
    corrupted[torch.randperm(300)[:90]] = True
    targets = torch.where(corrupted, 1 - true, true)
    run = algorithm_on(Perceptron().double(), [{"x_lb": x_val, "y_lb": y_val}] * 200)
    options = InfluenceOptions(**{**vars(USUAL), "every": 5, "optimizer": "m_adam", "shift": 1.0})
    hook = InfluenceWeightingHook(run.model.classifier, torch.ones(300), options)
    optimizer = torch.optim.Adam(run.model.parameters(), lr=1e-3)
    for step in range(600):
        rows = torch.randperm(300)[:50]
        run.it = step
        hook.see(x_lb, y_lb, x_ulb[rows])
        weights = hook.weigh(torch.ones(50).double(), rows)
        hook.remember(targets[rows], weights, 1.0)
        losses = F.cross_entropy(run.model(x_ulb[rows])["logits"], targets[rows], reduction="none")
        loss = F.cross_entropy(run.model(x_lb)["logits"], y_lb) + (weights * losses).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        hook.after_train_step(run)
    lightness = -hook.weights.numpy()
    assert hook.updates == 120
    assert roc_auc_score(corrupted.numpy(), lightness) > 0.8
    assert np.median(hook.weights[corrupted]) < np.median(hook.weights[~corrupted])
