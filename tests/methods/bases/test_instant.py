"""InstanT's steps against those written out example by example, and what its parts do at the edges."""

import math
from typing import Any

import pytest
import torch
from support.nets import case
from support.usb import NUM_CLASSES, TinyNet, batch, build, our_class

from usb_ext.methods.bases.instant import (
    MASKING,
    ClassTransition,
    InstanceTransition,
    corrected_losses,
    corrected_targets,
    instance_threshold,
    warm_up_steps,
)

C = NUM_CLASSES
CUTOFF, SHARPNESS, SCALE, EMA, LAMBDA, LR, WARM_UP = 0.7, 0.5, 2.0, 0.8, 1.5, 0.05, 2
SGD = {"instance": (0.001, 0.9, 5e-4), "class": (0.01, 0.9, 0.0)}
"""Learning rate, momentum and weight decay of the authors' estimators."""
OPTIONS: dict[str, Any] = {
    "p_cutoff": CUTOFF, "T": SHARPNESS, "scale": SCALE, "ema_p": EMA, "ulb_loss_ratio": LAMBDA,
    "warm_up_it": WARM_UP,
}  # fmt: skip


def ours(kind: str, **changed: Any) -> Any:
    made = build(our_class("instant"), **{**OPTIONS, "estimation": kind, **changed})
    made.optimizer = torch.optim.SGD(made.model.parameters(), lr=LR)
    return made


def one_step(algorithm: Any, number: int, **sizes: int) -> tuple[float, dict[str, Any]]:
    """What the loop does in a step: the loss, and the log."""
    algorithm.it = number
    out, log = algorithm.train_step(**batch(number, **sizes))
    algorithm.log_dict = log
    algorithm.optimizer.zero_grad()
    out["loss"].backward()
    algorithm.optimizer.step()
    algorithm.hooks_dict[MASKING].after_train_step(algorithm)
    return out["loss"].item(), log


def averaged(old: list[float], new: list[float]) -> list[float]:
    """A step of a running mean."""
    return [EMA * a + (1 - EMA) * b for a, b in zip(old, new, strict=True)]


class ByHand:
    """The method in float64 on networks of its own: lists of numbers, and a loop over the examples."""

    def __init__(self, kind: str, model: torch.nn.Module) -> None:
        self.kind = kind
        self.student: Any = TinyNet().double().train()
        self.student.load_state_dict(model.state_dict())
        if kind == "class":
            self.logits = torch.full((C, C), -2.0, dtype=torch.float64, requires_grad=True)
            self.learned = [self.logits]
        else:
            self.noise: Any = TinyNet(C * C).double().train()
            body = {n: v for n, v in model.state_dict().items() if n.startswith("body.")}
            self.noise.load_state_dict(body, strict=False)
            for parameter in self.noise.classifier.parameters():
                torch.nn.init.zeros_(parameter)
            self.learned = list(self.noise.parameters())
        self.velocity: list[Any] = [None] * len(self.learned)
        self.target: list[float] = [1 / C] * C
        self.mean: list[float] | None = None

    def aligned(self, lb: torch.Tensor, weak: torch.Tensor) -> list[list[float]]:
        """Weak probabilities times the labelled running mean, by the unlabelled running mean."""
        labelled, rows = lb.softmax(1).mean(0).tolist(), weak.softmax(1)
        seen = rows.mean(0).tolist()
        mean = seen if self.mean is None else averaged(self.mean, seen)
        self.target, self.mean, found = averaged(self.target, labelled), mean, []
        for row in rows.tolist():
            raw = [row[c] * (self.target[c] + 1e-6) / (mean[c] + 1e-6) for c in range(C)]
            found.append([value / sum(raw) for value in raw])
        return found

    def matrices(self, x: torch.Tensor) -> list[list[list[Any]]]:
        """T[i][j] of every example, numbers with their graph."""
        if self.kind == "class":
            rows = []
            for i in range(C):
                raw = [
                    SCALE if i == j else 1 / (1 + torch.exp(-self.logits[i, j])) for j in range(C)
                ]
                rows.append([value / sum(raw) for value in raw])
            return [rows] * len(x)
        found = []
        for flat in self.noise(x)["logits"]:
            rows = []
            for i in range(C):
                raw = [torch.exp(flat[C * i + j] + (SCALE if i == j else 0.0)) for j in range(C)]
                rows.append([value / sum(raw) for value in raw])
            found.append(rows)
        return found

    def threshold(self, row: list[float], label: int, noise: list[list[Any]] | None) -> float:
        """The part that all share comes beside; without noise there is no other."""
        if noise is None:
            return 0.0
        powers = [math.exp(p / SHARPNESS) for p in row]
        softened = [power / sum(powers) for power in powers]
        doubt = float(noise[label][label].detach()) * sorted(softened)[-2]
        return doubt + sum(
            float(noise[i][label].detach()) * softened[i] for i in range(C) if i != label
        )

    def step(self, number: int) -> tuple[float, float]:
        """Loss and share of the selected; network and estimator have moved afterwards."""
        data = batch(number)
        n, u = len(data["y_lb"]), len(data["x_ulb_w"])
        rows = torch.cat((data["x_lb"], data["x_ulb_w"], data["x_ulb_s"]))
        logits = self.student(rows)["logits"]
        aligned = self.aligned(logits[:n].detach(), logits[n : n + u].detach())
        noise = None if number < WARM_UP else self.matrices(data["x_ulb_w"])
        common = CUTOFF * sum(map(max, aligned)) / u
        total, own, chosen = torch.zeros(()).double(), torch.zeros(()).double(), 0
        for k in range(u):
            label = aligned[k].index(max(aligned[k]))
            each = None if noise is None else noise[k]
            tau = min(common + self.threshold(aligned[k], label, each), 0.99)
            if max(aligned[k]) < tau:
                continue
            chosen += 1
            p = logits[n + u + k].softmax(0)
            if each is None:
                total = total - p[label].log() / u
                continue
            pairs = [(p[i], torch.as_tensor(each[i][label]).double()) for i in range(C)]
            total = total - torch.log(sum(a * t.detach() for a, t in pairs) + 1e-12) / u
            own = own - torch.log(sum(a.detach() * t for a, t in pairs) + 1e-12) / u
        loss = LAMBDA * total
        for i in range(n):
            loss = loss - logits[i].log_softmax(0)[data["y_lb"][i]] / n
        self.move(loss, own if noise is not None else None)
        return loss.item(), chosen / u

    def move(self, loss: torch.Tensor, own: torch.Tensor | None) -> None:
        """Plain SGD for the network, and SGD with momentum and weight decay for the estimator."""
        parameters = list(self.student.parameters())
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.sub_(LR * gradient)
        if own is None:
            return
        lr, momentum, decay = SGD[self.kind]
        gradients = torch.autograd.grad(own, self.learned)
        with torch.no_grad():
            for place, (parameter, gradient) in enumerate(
                zip(self.learned, gradients, strict=True)
            ):
                moved = gradient + decay * parameter
                before = self.velocity[place]
                self.velocity[place] = moved if before is None else momentum * before + moved
                parameter.sub_(lr * self.velocity[place])


@pytest.mark.parametrize("kind", ["instance", "class"])
def test_steps_in_and_after_the_warm_up_equal_those_written_out(kind: str) -> None:
    algorithm = ours(kind)
    hand, shares = ByHand(kind, algorithm.model), []
    for number in range(5):
        loss, log = one_step(algorithm, number)
        wanted, share = hand.step(number)
        assert loss == pytest.approx(wanted, rel=1e-9), number
        assert float(log["train/util_ratio"]) == pytest.approx(share)
        shares.append(share)
    assert 0 < min(shares[WARM_UP:]) < 1, (
        "the case selects all or nothing, so it compares too little"
    )
    for (name, left), right in zip(
        algorithm.model.named_parameters(), hand.student.parameters(), strict=True
    ):
        torch.testing.assert_close(left, right, rtol=1e-8, atol=1e-10, msg=name)
    estimator = algorithm.hooks_dict[MASKING].estimator
    for left, right in zip(estimator.parameters(), hand.learned, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-8, atol=1e-10)
    start = ByHand(kind, ours(kind).model).learned
    assert not any(
        torch.equal(a, b) for a, b in zip(start, hand.learned, strict=True) if b.ndim > 1
    )


def random_case(classes: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits and matrices of six examples, and their pseudo-labels."""
    generator = torch.Generator().manual_seed(classes)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    labels = torch.randint(classes, (6,), generator=generator)
    return 2 * normal(6, classes), normal(6, classes, classes).softmax(-1), labels


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_corrected_targets_have_the_gradient_of_the_corrected_loss(
    classes: int, soft: bool
) -> None:
    """By finite differences: what influence weighting is told is what InstanT learns."""
    logits, matrices, labels = random_case(classes)
    targets = logits.flip(0).softmax(-1) if soft else labels
    learned = corrected_targets(logits, targets, matrices)
    torch.testing.assert_close(learned.sum(-1), torch.ones(6).double(), rtol=1e-9, atol=0)
    for i in range(classes):
        ahead, behind = logits.clone(), logits.clone()
        ahead[:, i] += 1e-5
        behind[:, i] -= 1e-5
        slope = corrected_losses(ahead, targets, matrices)
        slope = (slope - corrected_losses(behind, targets, matrices)) / 2e-5
        torch.testing.assert_close(
            logits.softmax(-1)[:, i] - learned[:, i], slope, rtol=1e-6, atol=1e-8
        )


def test_without_noise_the_loss_is_cross_entropy_and_no_threshold_is_above_the_largest() -> None:
    logits, _, labels = random_case(5)
    identity = torch.eye(5, dtype=torch.float64)
    plain = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(
        corrected_losses(logits, labels, identity), plain, rtol=1e-9, atol=1e-9
    )
    probs = logits.softmax(-1)
    found = instance_threshold(probs, identity, torch.tensor(0.98).double(), SHARPNESS)
    assert found.tolist() == [0.99] * 6


def test_two_classes_by_hand() -> None:
    """p = (0.8, 0.2), T = 0.5: q is e^1.6 and e^0.4 by their sum; the second largest is the other one."""
    probs = torch.tensor([[0.8, 0.2]], dtype=torch.float64)
    noise = torch.tensor([[0.9, 0.1], [0.3, 0.7]], dtype=torch.float64)
    other = math.exp(0.4) / (math.exp(1.6) + math.exp(0.4))
    found = instance_threshold(probs, noise, torch.tensor(0.5).double(), 0.5)
    assert found.item() == pytest.approx(0.5 + 0.9 * other + 0.3 * other)


def test_a_class_level_matrix_starts_near_the_identity_and_its_rows_sum_to_one() -> None:
    made = ClassTransition(4, scale=5.0)
    rate = 1 / (1 + math.exp(2.0))
    wanted = [[(5.0 if i == j else rate) / (5 + 3 * rate) for j in range(4)] for i in range(4)]
    torch.testing.assert_close(made(torch.empty(0)), torch.tensor(wanted))


def test_the_warm_up_is_the_authors_share_of_the_run() -> None:
    assert [warm_up_steps(None, steps) for steps in (2**20, 204_800, 1500, 20)] == [
        10240,
        2000,
        14,
        0,
    ]
    assert warm_up_steps(7, 100) == 7


@pytest.mark.parametrize("kind", ["instance", "class"])
def test_the_estimator_waits_for_the_end_of_the_warm_up(kind: str) -> None:
    """Its first step is the one after it, in which the loss is corrected for the first time."""
    algorithm = ours(kind)
    hook = algorithm.hooks_dict[MASKING]
    one_step(algorithm, 0)
    start = [p.detach().clone() for p in hook.estimator.parameters()]
    for number in range(1, WARM_UP + 1):
        one_step(algorithm, number)
        moved = [
            not torch.equal(a, b) for a, b in zip(start, hook.estimator.parameters(), strict=True)
        ]
        assert any(moved) == (number >= WARM_UP)


@pytest.mark.parametrize("mean", ["batch", "selected"])
def test_with_nothing_selected_only_the_labels_count(mean: str) -> None:
    algorithm = ours("class", p_cutoff=5.0, warm_up_it=0, ulb_loss_mean=mean)
    with torch.no_grad():
        algorithm.model.classifier.weight.div_(16)  # no confidence of 0.99, the largest threshold
    hook = algorithm.hooks_dict[MASKING]
    loss, log = one_step(algorithm, 0)
    assert float(log["train/util_ratio"]) == float(log["train/unsup_loss"]) == 0.0
    assert loss == pytest.approx(float(log["train/sup_loss"]))
    assert torch.equal(hook.estimator.weight, torch.full((C, C), -2.0).double())


def test_one_network_and_its_estimator_share_nothing() -> None:
    algorithm = ours("instance")
    one_step(algorithm, 0)
    hook = algorithm.hooks_dict[MASKING]
    mine = {p.data_ptr() for m in (algorithm.model, algorithm.ema_model) for p in m.parameters()}
    assert not mine & {p.data_ptr() for p in hook.estimator.parameters()}
    assert (hook.x_w, hook.matrices, hook.objective) == (None, None, None), "kept after the step"


def test_no_random_number_is_drawn_for_it() -> None:
    """Rows of a run's other random choices stay what they are for any base."""
    torch.manual_seed(3)
    wanted = torch.rand(4)
    torch.manual_seed(3)
    algorithm = ours("instance")
    torch.manual_seed(3)
    algorithm.hooks_dict[MASKING].before_run(algorithm)
    assert torch.equal(torch.rand(4), wanted)


def test_low_precision_around_it_leaves_its_matrices_in_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under bf16 autocast the estimator's gradients need no loss scale."""
    algorithm = ours("instance", warm_up_it=0)
    algorithm.model.float()
    algorithm.amp_cm = lambda: torch.autocast("cpu", dtype=torch.bfloat16)
    data = {k: v.float() if v.is_floating_point() else v for k, v in batch(0).items()}
    algorithm.it = 0
    out, _ = algorithm.train_step(**data)
    hook = algorithm.hooks_dict[MASKING]
    assert hook.matrices.dtype == hook.objective.dtype == torch.float32
    direct = hook.estimator.train()(data["x_ulb_w"])
    torch.testing.assert_close(hook.matrices, direct, rtol=1e-6, atol=1e-7)
    assert torch.isfinite(out["loss"])


@pytest.mark.parametrize("name", ["wrn", "vit", "bert"])
def test_every_kind_of_network_can_be_the_estimator(name: str) -> None:
    """It starts as softmax(scale I) for all inputs, images or texts, and learns from there."""
    network, (inputs, _) = case(name)
    made = InstanceTransition(network, num_classes=3, scale=SCALE).double().train()
    row = [math.exp(SCALE), 1.0, 1.0]
    wanted = torch.tensor([[row[(i - j) % 3] for i in range(3)] for j in range(3)]).double()
    found = made(inputs)
    torch.testing.assert_close(found, (wanted / sum(row)).expand(4, 3, 3))
    optimizer = torch.optim.SGD(made.parameters(), lr=1e-3)
    for _ in range(2):  # the head alone moves in the first step, everything in the second
        optimizer.zero_grad()
        (-made(inputs)[:, 0, 1].log().sum()).backward()
        optimizer.step()
    moving = [p.grad is not None and bool(p.grad.any()) for p in network.parameters()]
    assert sum(moving) > len(moving) / 2
    moved = made(inputs)
    torch.testing.assert_close(moved.sum(-1), torch.ones(4, 3).double())
    assert (moved[:, 0, 1] > found[:, 0, 1]).all()
    assert not torch.allclose(moved[0], moved[1], rtol=1e-9, atol=0), (
        "the same matrix for every example"
    )
