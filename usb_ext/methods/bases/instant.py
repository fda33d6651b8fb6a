"""InstanT as a base: a threshold for each example from a matrix of label noise (Li et al., NeurIPS 2023).

T[i, j] is the probability that an example of class i gets the pseudo-label j. It says how much to distrust a
pseudo-label, example by example, and what the strong view should predict for it (forward correction). T is
learned from the corrected loss by an optimizer of its own, and used after a warm-up.

The formulas are those of the authors' code (tmllab/2023_NeurIPS_InstanT). Where code and paper differ:

- The paper fits row y of T(x) to the prediction on labelled examples (x, y) (Fig. 2); the code fits T to the
  corrected loss of the unlabelled ones. ours: the code.
- The code's threshold takes softmax(p / T) of the probabilities p where the text has class posteriors.
  ours: the code.
- The code's `estimation: instance` cannot be built as published (an unknown keyword, then weights changed
  between two backward passes); its files use `class`. ours: `instance`, the paper's method, is the default.
- The code adds the gradient of the unlabelled loss to the network twice, once on its way to T. ours: once;
  `ulb_loss_ratio: 2` where the code has 1.
- The code's estimator is a ResNet-18 for images, newly drawn. ours: a network like the run's own at the same
  weights, with a head of C * C outputs that starts at 0. It takes whatever the run's takes, T starts as
  softmax(scale I), and no random number is drawn. Full precision also under `amp`.

Symbols: U unlabelled examples, C classes.
"""

import copy
import math

import torch
import torch.nn.functional as F
from torch import nn

from usb_ext.core.errors import SettingsError
from usb_ext.core.processes import gathered_rows, sum_in_place
from usb_ext.engine.processes import mean_over_processes
from usb_ext.methods.bases.adamatch import AdaMatchRule
from usb_ext.methods.step.base import BaseRule, Weak
from usb_ext.methods.step.extension import selected_share
from usb_ext.methods.step.head_tap import find_head
from usb_ext.methods.step.running import RunningStep
from usb_ext.methods.step.views import Inputs, Views
from usb_ext.upstream.running import State
from usb_ext.upstream.usb import DistAlignEMAHook, Hook, PseudoLabelingHook

TINY = 1e-12
"""Added to a corrected probability before its logarithm, as in the authors' code."""

LARGEST = 0.99
"""No threshold is above it, as in the authors' code."""

START = -2.0
"""Where the logits of the class-level rates start, as in the authors' code."""

OPTIMIZER: dict[str, dict[str, float]] = {
    "instance": {"lr": 0.001, "momentum": 0.9, "weight_decay": 5e-4},
    "class": {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.0},
}
"""SGD of each kind of estimator, as in the authors' code."""

WARM_UP = 10240 / 2**20
"""Share of a run without T: the authors' `warm_up_it` by their number of steps."""


def warm_up_steps(given: int | None, num_train_iter: int) -> int:
    """How many first steps do without T.

    Args:
        given: the setting `warm_up_it`, or None.
        num_train_iter: steps of the run.

    Returns:
        As given; ours: otherwise the authors' share of the run, 10240 of 2^20.
    """
    return math.floor(num_train_iter * WARM_UP) if given is None else given


class ClassTransition(nn.Module):
    """T for all examples: scale on the diagonal, sigmoid(w) beside it, rows divided by their sums.

    Args:
        num_classes: C.
        scale: weight of the identity, >= 0.
    """

    identity: torch.Tensor

    def __init__(self, num_classes: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((num_classes, num_classes), START))
        self.register_buffer("identity", torch.eye(num_classes), persistent=False)
        self.scale = scale

    def forward(self, x: Inputs) -> torch.Tensor:
        """T of shape (C, C), rows that sum to 1, whatever the inputs are."""
        rates = self.scale * self.identity + (1 - self.identity) * torch.sigmoid(self.weight)
        return rates / rates.sum(dim=1, keepdim=True)


class InstanceTransition(nn.Module):
    """T(x) = softmax over each row of (C, C) logits plus scale times the identity.

    Args:
        network: one like the run's, which this takes over; its head is replaced by one of C * C outputs.
        num_classes: C.
        scale: weight of the identity in the logits, >= 0.
    """

    identity: torch.Tensor

    def __init__(self, network: nn.Module, num_classes: int, scale: float) -> None:
        super().__init__()
        self.network = network
        _replace_head(network, num_classes)
        self.register_buffer("identity", torch.eye(num_classes), persistent=False)
        self.scale = scale

    def forward(self, x: Inputs) -> torch.Tensor:
        """T of shape (U, C, C), rows that sum to 1, of (U, ...) inputs or a dict of them."""
        logits: torch.Tensor = self.network(x)["logits"]
        square = logits.view(len(logits), *self.identity.shape)
        return torch.softmax(square + self.scale * self.identity, dim=-1)


def _replace_head(network: nn.Module, num_classes: int) -> None:
    """Put a linear layer with C * C outputs, all weights 0, in the head's place."""
    head = find_head(network, num_classes)
    wide = nn.Linear(head.in_features, num_classes**2, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        for parameter in wide.parameters():
            parameter.zero_()
    for owner in list(network.modules()):
        for name, child in list(owner.named_children()):
            if child is head:
                setattr(owner, name, wide)


def instance_threshold(
    probs: torch.Tensor, matrices: torch.Tensor, relative: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Thresholds of InstanT (authors' code): a part for all examples and one for each.

        tau(x) = relative + T[k, k](x) q_2(x) + sum over i != k of T[i, k](x) q_i(x), at most 0.99

    with k the pseudo-label, q = softmax(p / temperature) and q_2 its second largest entry.

    Args:
        probs: (U, C) p, the weak views' probabilities.
        matrices: T, (U, C, C) or (C, C).
        relative: (), the part for all.
        temperature: above 0.

    Returns:
        (U,) in [0, 0.99].
    """
    softened = torch.softmax(probs / temperature, dim=-1)
    labels = probs.argmax(dim=-1)
    every = matrices.expand(len(probs), *matrices.shape[-2:])
    columns = every.gather(2, labels.view(-1, 1, 1).expand(-1, every.shape[1], 1)).squeeze(2)
    second = softened.topk(2, dim=-1).values[:, 1:]
    own = F.one_hot(labels, probs.shape[1]).to(torch.bool)
    doubt = (columns * torch.where(own, second, softened)).sum(dim=-1)
    return (relative + doubt).clamp(0.0, LARGEST)


def corrected_losses(
    logits: torch.Tensor, targets: torch.Tensor, matrices: torch.Tensor
) -> torch.Tensor:
    """Forward-corrected cross-entropies: of softmax(logits) T with the pseudo-labels (authors' code).

    Args:
        logits: (U, C) of the strong views.
        targets: (U,) classes, or (U, C) probabilities (ours; the code has hard labels only).
        matrices: T, (U, C, C) or (C, C).

    Returns:
        (U,) in nats.
    """
    logs = torch.log(_noisy(logits, matrices) + TINY)
    if targets.ndim == 1:
        return F.nll_loss(logs, targets, reduction="none")
    return -(targets.to(logs) * logs).sum(dim=-1)


def corrected_targets(
    logits: torch.Tensor, targets: torch.Tensor, matrices: torch.Tensor
) -> torch.Tensor:
    """What the corrected loss teaches: the posterior of the class given the pseudo-label.

    The gradient of `corrected_losses` in the logits is that of a cross-entropy with these constants.

    Args:
        logits: (U, C) of the strong views.
        targets: (U,) or (U, C).
        matrices: T, (U, C, C) or (C, C).

    Returns:
        (U, C) w with w[i] = p[i] sum over j of T[i, j] t[j] / (p T)[j].
    """
    noisy = _noisy(logits, matrices) + TINY
    wanted = F.one_hot(targets, logits.shape[1]) if targets.ndim == 1 else targets
    ratios = (wanted.to(noisy) / noisy).unsqueeze(-1)
    return torch.softmax(logits.to(noisy), dim=-1) * (matrices @ ratios).squeeze(-1)


def _noisy(logits: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """Probabilities (U, C) of the pseudo-labels: softmax(logits) T, in T's precision."""
    clean = torch.softmax(logits.to(matrices.dtype), dim=-1)
    return (clean.unsqueeze(1) @ matrices).squeeze(1)


class TransitionHook(Hook):
    """Owns the estimator of T and its optimizer; gives the mask and the corrected loss.

    The warm-up is the running step's number, so nothing of it is kept. Across processes: equal estimators.
    Each sends its own weak views through; matrices, threshold and objective are of the whole batch. (In USB's
    own loop gradients are averaged, and the relative threshold is of the process's batch.)

    Args:
        kind: `instance` or `class`.
        scale: weight of the identity in T at the start.
        warm_up: steps without T.
        lr: of the estimator; None for the authors'.
    """

    def __init__(self, kind: str, scale: float, warm_up: int, lr: float | None) -> None:
        super().__init__()
        self.kind, self.scale, self.warm_up = kind, scale, warm_up
        self.sgd = {**OPTIMIZER[kind], **({} if lr is None else {"lr": lr})}
        self.estimator: nn.Module = nn.Identity()
        self.optimizer: torch.optim.Optimizer | None = None
        self.threshold = torch.empty(0)
        self.x_w: Inputs | None = None
        self.matrices: torch.Tensor | None = None
        self.objective: torch.Tensor | None = None

    def before_run(self, algorithm: RunningStep) -> None:
        """Make estimator and optimizer; a restored checkpoint overwrites both afterwards."""
        like = next(algorithm.model.parameters())
        if self.kind == "class":
            made: nn.Module = ClassTransition(algorithm.num_classes, self.scale)
        else:
            network = copy.deepcopy(algorithm.ema_model).requires_grad_(True)
            made = InstanceTransition(network, algorithm.num_classes, self.scale)
        self.estimator = made.to(like.device, like.dtype).train()
        self.optimizer = torch.optim.SGD(self.estimator.parameters(), **self.sgd)  # type: ignore[arg-type]

    def see(self, algorithm: RunningStep, x_w: Inputs) -> None:
        """Keep the weak views (U, ...) for the estimator, which starts here if nothing started it."""
        if self.optimizer is None:
            self.before_run(algorithm)
        self.x_w, self.matrices, self.objective = x_w, None, None

    def masking(
        self, algorithm: RunningStep, logits_x_ulb: torch.Tensor, softmax_x_ulb: bool = True
    ) -> torch.Tensor:
        """1 where the confidence reaches the example's threshold; shape (U,).

        Args:
            algorithm: gives `p_cutoff`, `T` and the running step.
            logits_x_ulb: (U, C) of the weak views.
            softmax_x_ulb: False where they are probabilities, as USB's hooks have it.
        """
        given = logits_x_ulb.detach()
        probs = algorithm.compute_prob(given) if softmax_x_ulb else given
        confidence = probs.amax(dim=-1)
        relative = algorithm.p_cutoff * confidence.mean()
        if algorithm.it < self.warm_up:
            self.threshold = relative.clamp(0.0, LARGEST).expand(len(probs))
        else:
            with self.full_precision(probs):
                self.matrices = self._matrices(len(probs))
                constant = self.matrices.detach()
                self.threshold = instance_threshold(probs, constant, relative, algorithm.T)
        return confidence.ge(self.threshold).to(confidence.dtype)

    def _matrices(self, total: int) -> torch.Tensor:
        """T of the weak views of all processes, (U, C, C) of `total` rows U, or (C, C) for all examples."""
        own: torch.Tensor = self.estimator(self.x_w)
        return gathered_rows(own, total) if self.kind == "instance" else own

    def loss(
        self,
        algorithm: RunningStep,
        logits: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor,
    ) -> torch.Tensor | None:
        """The corrected loss for the network, and in `objective` the same one for the estimator.

        Args:
            algorithm: the running algorithm.
            logits: (U, C) of the strong views.
            targets: (U,) or (U, C) pseudo-labels.
            weights: (U,).

        Returns:
            Mean over the batch, shape (), T a constant in it; None in the warm-up.
        """
        if self.matrices is None:
            return None
        with self.full_precision(logits):
            share = selected_share(weights) if algorithm.ulb_loss_mean == "selected" else 1.0
            own = corrected_losses(logits.detach(), targets, self.matrices)
            self.objective = share * (own * weights).mean()
            return (corrected_losses(logits, targets, self.matrices.detach()) * weights).mean()

    @staticmethod
    def full_precision(like: torch.Tensor) -> torch.autocast:
        """Inside, `amp` is off: small probabilities, and gradients that no loss scale protects."""
        return torch.autocast(like.device.type, enabled=False)

    def after_train_step(self, algorithm: RunningStep) -> None:
        """One step of the estimator, once it is used; the mean threshold is logged."""
        algorithm.log_dict["train/instant_threshold"] = self.threshold.mean()
        if self.objective is not None and self.optimizer is not None:
            self.optimizer.zero_grad()
            self.objective.backward()  # type: ignore[no-untyped-call]
            found = [p.grad for p in self.estimator.parameters() if p.grad is not None]
            if self.kind == "instance":  # one T for all is learned from all rows in each process
                sum_in_place(found)
            for gradient in found:
                mean_over_processes(algorithm, gradient)
            self.optimizer.step()
        self.x_w = self.matrices = self.objective = None

    def state_dict(self) -> State:
        """Estimator and optimizer."""
        optimizer = {} if self.optimizer is None else self.optimizer.state_dict()
        return {"estimator": dict(self.estimator.state_dict()), "optimizer": optimizer}

    def load_state_dict(self, state: State) -> None:
        """Take back what `state_dict` gave; `before_run` has made both."""
        self.estimator.load_state_dict(state["estimator"])
        if self.optimizer is not None:
            self.optimizer.load_state_dict(state["optimizer"])


MASKING = "MaskingHook"


class InstantRule(AdaMatchRule):
    """InstanT on AdaMatch's alignment: the model's own class distribution on labelled data is the target."""

    def hooks(self, algorithm: RunningStep) -> list[tuple[Hook, str]]:
        """Alignment, and the hook with the matrix of label noise.

        Raises:
            SettingsError: one matrix an example, and a network without a head to replace.
        """
        args, classes = algorithm.args, algorithm.num_classes
        if args.estimation == "instance":
            _check_head(algorithm)
        warm_up = warm_up_steps(args.warm_up_it, args.num_train_iter)
        masking = TransitionHook(args.estimation, args.scale, warm_up, args.estimator_lr)
        align = DistAlignEMAHook(classes, momentum=args.ema_p, p_target_type="model")
        return [
            (PseudoLabelingHook(), "PseudoLabelingHook"),
            (align, "DistAlignHook"),
            (masking, MASKING),
        ]

    def batch(self, algorithm: RunningStep, x_w: Inputs) -> None:
        """Show the hook the (U, ...) weak views."""
        algorithm.call_hook("see", MASKING, x_w=x_w)

    def weights(self, algorithm: RunningStep, weak: Weak) -> torch.Tensor:
        """Weight of each unlabelled example, shape (U,), from its aligned probabilities."""
        return BaseRule.weights(self, algorithm, weak)

    def threshold(self, algorithm: RunningStep, weak: Weak) -> torch.Tensor:
        """The threshold of each example, shape (U,)."""
        thresholds: torch.Tensor = algorithm.hooks_dict[MASKING].threshold
        return thresholds

    def unsupervised_loss(
        self, algorithm: RunningStep, views: Views, targets: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """FixMatch's loss in the warm-up, then the forward-corrected one; shape ()."""
        corrected: torch.Tensor | None = algorithm.call_hook(
            "loss", MASKING, logits=views.logits_s, targets=targets, weights=weights
        )
        if corrected is None:
            return super().unsupervised_loss(algorithm, views, targets, weights)
        return corrected

    def learned_targets(
        self, algorithm: RunningStep, views: Views, targets: torch.Tensor
    ) -> torch.Tensor:
        """After the warm-up the corrected ones, (U, C); before it the pseudo-labels.

        ours: constants of the step's own logits, so that a curvature made of them is never negative.
        """
        matrices = algorithm.hooks_dict[MASKING].matrices
        if matrices is None:
            return targets
        logits = views.logits_s.detach()
        with TransitionHook.full_precision(logits):
            return corrected_targets(logits, targets, matrices.detach())


def _check_head(algorithm: RunningStep) -> None:
    try:
        find_head(algorithm.model, algorithm.num_classes)
    except SettingsError as error:
        raise SettingsError(
            f"estimation: instance copies the network with a wider classification layer, but "
            f"{type(algorithm.model).__name__} has no torch.nn.Linear with {algorithm.num_classes} outputs "
            "named classifier, head or fc; name it so, or use estimation: class"
        ) from error
