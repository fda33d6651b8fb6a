"""AvgClusteringHook: the averaged head, its loss, its step and its reset (LayerMatch, Sec. 4.2.2).

Avg-Clustering: a second unsupervised loss through a slowly averaged head (LayerMatch, Eq. 8).

Symbols of the paper and their names here: theta the network below the head; beta the head, `weight`
(C, d) and `bias` (C,); beta-bar the averaged head; alpha `lr`; m `momentum`; N the reset period, which
belongs to the hook that owns the head.

    beta-bar_t = beta_t                                                       if t mod N = 0
               = m beta-bar_{t-1} + (1 - m) (beta-bar_{t-1} - alpha grad L_AC)   otherwise

The gradient with respect to beta-bar is the closed form of softmax cross-entropy: it needs no graph,
and neither loss scaling nor the loss weight w_ac of Eq. 9 can leak into it.

A step is tiny: (1 - m) alpha = 5e-7 of the gradient. In float32 the neighbours of a weight of 0.05 are
4e-9 apart, so of a gradient of 0.02 a step loses up to a fifth, and of one below 0.004 everything.
ours: beta-bar is kept as the head at the last reset (`base`) and the sum of the steps since (`drift`);
only their sum is rounded, and never kept.
"""

import torch
import torch.nn.functional as F

from usb_ext.engine.processes import mean_over_processes
from usb_ext.methods.step.extension import example_shares
from usb_ext.methods.step.head_tap import HeadTap
from usb_ext.upstream.running import Running
from usb_ext.upstream.usb import Hook


def averaged_head_gradient(
    features: torch.Tensor,
    logits: torch.Tensor,
    targets: torch.Tensor,
    example_weights: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradient of sum_i w_i CE(target_i, logits_i) with respect to a linear head (LayerMatch, Eq. 8).

    Args:
        features: (B, d), input of the head.
        logits: (B, C), output of the averaged head on `features`.
        targets: (B,) class indices, or (B, C) probabilities.
        example_weights: (B,), w_i; the mean is part of it (divide by B or by the number selected).

    Returns:
        Gradients of shape (C, d) for the weight and (C,) for the bias.
    """
    probabilities = torch.softmax(logits, dim=-1)
    if targets.ndim == 1:
        targets = F.one_hot(targets, logits.shape[-1])
    targets = targets.to(probabilities)
    total = targets.sum(dim=-1, keepdim=True)
    residual = (probabilities * total - targets) * example_weights.unsqueeze(-1)
    return residual.T @ features, residual.sum(dim=0)


@torch.no_grad()
def step_drift(
    drift: torch.Tensor, gradient: torch.Tensor, lr: float, momentum: float
) -> torch.Tensor:
    """Move the drift of the averaged head by one averaging step (LayerMatch, Eq. 8).

    With beta-bar = base + drift and the base fixed since the last reset, m b + (1 - m)(b - alpha g) is
    b - (1 - m) alpha g, so drift <- drift - (1 - m) alpha g.

    Args:
        drift: how far a tensor of the averaged head is from its base, any shape (...); changed in
            place.
        gradient: g, gradient of L_AC with respect to that tensor, same shape.
        lr: alpha >= 0, step size (5e-4 in the paper).
        momentum: m in [0, 1] (0.999 in the paper).

    Returns:
        `drift` itself.
    """
    return drift.sub_(gradient.to(drift), alpha=(1.0 - momentum) * lr)


class AvgClusteringHook(Hook):
    """Owns beta-bar: a copy of the head that is reset every N steps and averaged in between.

    The averaged head is never in the optimizer and carries no gradient; the features do. It follows
    the head's shape, dtype and device at each reset. It is held as two parts that are saved both:
    `base`, the head at the last reset, and `drift`, what was added since, in float32 at least (see
    `step_drift`).

    ours: at step t the head is reset first (t mod N = 0), the loss goes through the head as it then
    stands, and the averaging step that follows uses the gradient of that loss; the paper's index
    t - 1 leaves the order inside a step open.

    ours: with several processes the step uses the mean of their gradients, as the optimizer does, so
    the averaged head is the same in all of them; with `selected` each divides by its own number.

    Args:
        tap: the tap on the classification layer.
        reset_iter: N, steps between resets (2048 in the paper).
        momentum: m of the average (0.999).
        lr: alpha, step size (5e-4).
        mean: `batch` or `selected`, what the loss is averaged over.
    """

    def __init__(
        self, tap: HeadTap, reset_iter: int, momentum: float, lr: float, mean: str
    ) -> None:
        super().__init__()
        self.tap = tap
        self.reset_iter = reset_iter
        self.momentum = momentum
        self.lr = lr
        self.mean = mean
        self.base: dict[str, torch.Tensor] = {}
        self.drift: dict[str, torch.Tensor] = {}

    @torch.no_grad()
    def reset(self) -> None:
        """Copy the head: beta-bar <- beta."""
        head = self.tap.head
        parts = {"weight": head.weight, "bias": head.bias}
        self.base = {n: p.detach().clone() for n, p in parts.items() if p is not None}
        self.drift = {n: _zeros(p) for n, p in self.base.items()}

    def averaged(self) -> dict[str, torch.Tensor]:
        """Beta-bar as it stands: `weight` (C, d) and, where the head has one, `bias` (C,)."""
        return {n: base + self.drift[n] for n, base in self.base.items()}

    def loss(
        self,
        algorithm: Running,
        features: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor,
    ) -> torch.Tensor:
        """L_AC of this step, after which the averaged head moves (Eq. 8).

        Args:
            algorithm: the running algorithm; its `it` is t.
            features: (B, d), head inputs of the strong views, part of the graph.
            targets: (B,) pseudo-labels, or (B, C) soft ones.
            weights: (B,) selection or weight of each example.

        Returns:
            Scalar of shape (); its gradient reaches the features alone.
        """
        if not self.base or algorithm.it % self.reset_iter == 0:
            self.reset()
        shares = example_shares(weights, self.mean)
        head = {n: p.to(features.dtype) for n, p in self.averaged().items()}
        logits = F.linear(features, head["weight"], head.get("bias"))
        known = targets if targets.ndim == 1 else targets.to(logits)
        losses = F.cross_entropy(logits, known, reduction="none")
        self._step(algorithm, features.detach(), logits.detach(), targets, shares)
        return (losses * shares).sum()

    @torch.no_grad()
    def _step(
        self,
        algorithm: Running,
        features: torch.Tensor,
        logits: torch.Tensor,
        targets: torch.Tensor,
        shares: torch.Tensor,
    ) -> None:
        features, logits, shares = (_at_least_single(t) for t in (features, logits, shares))
        with torch.autocast(features.device.type, enabled=False):
            found = averaged_head_gradient(features, logits, targets, shares.to(logits))
        for name, gradient in zip(("weight", "bias"), found, strict=True):
            if name in self.drift:
                mean = mean_over_processes(algorithm, gradient)
                step_drift(self.drift[name], mean, self.lr, self.momentum)

    def state_dict(self) -> dict[str, dict[str, torch.Tensor]]:
        """Base and drift of `weight` (C, d) and `bias` (C,); both empty before the first step."""
        return {"base": dict(self.base), "drift": dict(self.drift)}

    def load_state_dict(self, state: dict[str, dict[str, torch.Tensor]]) -> None:
        """Take a copy of what `state_dict` gave: shapes (C, d) and (C,)."""
        device = self.tap.head.weight.device
        self.base, self.drift = (
            {n: part.to(device, copy=True) for n, part in state[key].items()}
            for key in ("base", "drift")
        )


def _at_least_single(values: torch.Tensor) -> torch.Tensor:
    """Values of shape (...), half precision widened to float32.

    A share of 1/448 times a small probability is below what float16 can hold.
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _zeros(base: torch.Tensor) -> torch.Tensor:
    """No drift yet, of the shape (...) of a part of the head."""
    return torch.zeros_like(base, dtype=torch.promote_types(base.dtype, torch.float32))
