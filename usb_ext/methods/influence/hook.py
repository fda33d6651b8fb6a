"""InfluenceWeightingHook: a learned weight for every unlabelled example (Ren et al., 2020, Algorithm 1).

Validation batches, one an update: the V' of Algorithm 1 (Ren et al., 2020).

The learned weight of each unlabelled example, wherever a run has one.
"""

import logging
from collections.abc import Iterator

import torch
from torch import nn

from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.core.processes import gathered_rows, world
from usb_ext.methods.influence.passes import Inputs, Seen, evaluating, precision
from usb_ext.methods.influence.update import (
    Found,
    InfluenceOptions,
    head_gradients,
    network_gradients,
    summary,
)
from usb_ext.methods.influence.weight_optimizer import ScalarTableOptimizer
from usb_ext.methods.step.extension import example_shares
from usb_ext.upstream.running import Batch, Running, State
from usb_ext.upstream.usb import Hook


class ValidationBatches:
    """The batches of the loader `val`, from any number on.

    Batch k depends on the seed and on k alone (`data/batches.py`), so nothing but k has to be saved.
    """

    def __init__(self) -> None:
        self._batches: Iterator[Batch] | None = None

    def batch(
        self, algorithm: Running, number: int, device: torch.device
    ) -> tuple[Inputs, torch.Tensor]:
        """Validation batch `number`, asked for in order: (V, ...) inputs and (V,) classes.

        With several processes the inputs are this one's share, the classes all.

        Args:
            algorithm: the running algorithm with its loaders.
            number: updates so far.
            device: where the batch is wanted.

        Raises:
            SettingsError: no validation images.
        """
        if self._batches is None:
            loader = algorithm.loader_dict.get("val")
            if loader is None:
                raise SettingsError("influence needs validation images; set num_val, such as 100")
            loader.batch_sampler.start_iter = number
            self._batches = iter(loader)
        batch = next(self._batches)
        inputs, labels = batch["x_lb"], batch["y_lb"].to(device, non_blocking=True)
        if world().size > 1:
            size: int = algorithm.loader_dict["val"].batch_sampler.batch_size
            labels = gathered_rows(labels, size)
        if isinstance(inputs, dict):
            return {k: v.to(device, non_blocking=True) for k, v in inputs.items()}, labels
        return inputs.to(device, non_blocking=True), labels


_log = logging.getLogger(__name__)


class InfluenceWeightingHook(Hook):
    """Owns the weights, their optimizer's state and the place in the validation batches.

    ours: every N-th step updates the weights of the examples it has just trained on, after the
    parameters' step: no second unlabelled batch is made, and the mask and targets in H are the ones that
    were trained with. Inputs go once more through the network in evaluation mode; the validation batch is
    the next of a seeded endless permutation, of which only the number of updates is state.

    One weight for all (`single`) stands before a sum, so its derivative is the sum over u of the factor of
    l_u in the objective (mask, base's weight, mean and loss weight) times Eq. 6; with nothing selected it is
    0. The authors sum over all examples, selected or not (`masked` is False then).

    Across processes: logits and features of the batch and of the validation batch are gathered (beyond the
    head, gradients and products with H are summed), so every process makes the same update of the same table.
    (USB's own loop gathers nothing; there a run has one process.)

    Args:
        head: the classification layer.
        weights: (N_ulb,) first weights.
        options: the settings.

    Attributes:
        table: (N_ulb,) weights, or (1,) with `single`.
        updates: updates so far.
        raised: tenfold raises of the damping so far.
        unsolved: updates so far for which conjugate gradients did not reach their tolerance.
    """

    def __init__(self, head: nn.Linear, weights: torch.Tensor, options: InfluenceOptions) -> None:
        super().__init__()
        self.head, self.options, self.num = head, options, len(weights)
        self.table = weights[:1].clone() if options.single else weights.clone()
        self.optimizer = ScalarTableOptimizer(len(self.table), options.lr, options.optimizer)
        self.updates, self.raised, self.unsolved = 0, 0, 0
        self.summary: dict[str, torch.Tensor] = {}
        self.validation = ValidationBatches()
        self._inputs: tuple[Inputs, torch.Tensor, Inputs] | None = None
        self._indices: torch.Tensor | None = None
        self._base: torch.Tensor | None = None
        self._units: torch.Tensor | None = None
        self._seen: Seen | None = None

    @property
    def weights(self) -> torch.Tensor:
        """(N_ulb,) the weight of each unlabelled example by `idx_ulb`."""
        return self.table.expand(self.num)

    def see(self, x_lb: Inputs, y_lb: torch.Tensor, x_ulb: Inputs) -> None:
        """Remember the step's inputs: (B, ...), (B,) and (U, ...); of inputs this process's share."""
        self._inputs = (x_lb, y_lb, x_ulb)

    def weigh(self, weights: torch.Tensor, indices: torch.Tensor | None) -> torch.Tensor:
        """The base's weights (U,) times the examples' own.

        Raises:
            SettingsError: the loader gives no positions (U,).
        """
        if indices is None:
            raise SettingsError("influence needs idx_ulb, the positions of the unlabelled examples")
        self._follow(weights.device)
        self._indices, self._base = indices, weights.detach()
        return weights * self.weights[indices].to(weights)

    def remember(self, targets: torch.Tensor, weights: torch.Tensor, scale: float) -> None:
        """Remember targets (U,) or (U, C), final weights (U,) and the weight of the unlabelled loss."""
        if self._inputs is None or self._indices is None or self._base is None:
            return
        x_lb, y_lb, x_ulb = self._inputs
        shares = scale * example_shares(weights.detach(), self.options.mean)
        if self.options.single and self.options.masked:
            self._units = scale * example_shares(
                self._apart(weights, self._base), self.options.mean
            )
        self._seen = Seen(x_lb, y_lb, x_ulb, self._indices, targets.detach(), shares, gathered_rows)

    def _apart(self, weights: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        """What one weight for all is multiplied with, (U,): the final weights without it.

        Extensions that come later may have multiplied too; a weight of 0 has left only what came before.
        """
        own = self.table.to(weights)
        final = weights.detach() / own.clamp(min=torch.finfo(own.dtype).tiny)
        return torch.where(own > 0, final, base)

    def after_train_step(self, algorithm: Running) -> None:
        """Update the weights every N steps; log them; let go of the step's tensors."""
        if self._seen is not None and (algorithm.it + 1) % self.options.every == 0:
            self.update(algorithm, self._seen)
        algorithm.log_dict.update(self.summary)
        self._inputs = self._indices = self._base = self._units = self._seen = None

    def update(self, algorithm: Running, seen: Seen) -> None:
        """Lines 7 to 12 of Algorithm 1, and the clip."""
        validation = self.validation.batch(algorithm, self.updates, self.table.device)
        gradients = head_gradients if self.options.scope == "head" else network_gradients
        try:
            with evaluating(algorithm.model):
                found = gradients(algorithm, self.head, seen, validation, self.options)
            if not bool(torch.isfinite(found.gradients).all()):
                raise ArithmeticError("a derivative is not a number; try a smaller lr")
        except ArithmeticError as error:
            raise RunFailed(f"influence at step {algorithm.it + 1}: {error}") from error
        rows, slopes = seen.indices, found.gradients
        if self.options.single:
            rows = torch.zeros_like(rows)
            slopes = slopes if self._units is None else slopes * self._units.to(slopes)
        self.optimizer.step(self.table, rows, slopes)
        self.table.clamp_(0, self.options.weight_max)
        self.updates += 1
        self._note(algorithm, found)

    def _note(self, algorithm: Running, found: Found) -> None:
        if found.raises and not self.raised:
            _log.warning(
                "step %d: the Hessian of the last layer is not positive definite; for this update its "
                "damping was raised tenfold %d times (remedy: a higher influence_damping). Further "
                "raises are counted as train/influence_damping_raised",
                algorithm.it + 1,
                found.raises,
            )
        if not found.converged and not self.unsolved:
            _log.warning(
                "step %d: conjugate gradients stopped after %d iterations at a relative residual of %.2g, "
                "above influence_cg_tol (remedy: a higher influence_cg_iter or influence_damping). Every "
                "update logs train/influence_residual and, as their steps, train/influence_products",
                algorithm.it + 1,
                found.iterations,
                float("nan") if found.residual is None else float(found.residual),
            )
        self.unsolved += not found.converged
        self.raised += found.raises
        self.summary = summary(self.table, found, self.raised)

    def _follow(self, device: torch.device) -> None:
        if self.table.device == device:
            return
        self.table = self.table.to(device)
        self.optimizer.to(device, precision(device))
        self.summary = {name: value.to(device) for name, value in self.summary.items()}

    def state_dict(self) -> State:
        """Weights, moments and counts, place in the validation batches, and the last summary."""
        return {
            "table": self.table.to("cpu", copy=True),
            "optimizer": self.optimizer.state_dict(),
            "updates": self.updates,
            "raised": self.raised,
            "unsolved": self.unsolved,
            "summary": {k: v.cpu() for k, v in self.summary.items()},
        }

    def load_state_dict(self, state: State) -> None:
        """Take back what `state_dict` gave."""
        self.table = state["table"].to(self.table, copy=True)
        self.optimizer.load_state_dict(state["optimizer"])
        self.updates, self.raised = state["updates"], state["raised"]
        self.unsolved = state.get("unsolved", 0)  # older checkpoints do not count it
        self.summary = {k: v.to(self.table.device) for k, v in state["summary"].items()}
        self.validation = ValidationBatches()


WEIGHTING_HOOK = "InfluenceWeightingHook"
"""Name of the hook whose `weights` (N,) belong to the positions `idx_ulb`."""


def example_weights(algorithm: Running) -> torch.Tensor | None:
    """Weights (N,) of the N unlabelled examples by position, float32 on the CPU; None without such a hook.

    Args:
        algorithm: the running algorithm.
    """
    hook = algorithm.hooks_dict.get(WEIGHTING_HOOK)
    if hook is None:
        return None
    weights: torch.Tensor = hook.weights.detach().to("cpu", torch.float32, copy=True)
    return weights
