"""MechanismHook: what pseudo-labels do to head, averaged head and features (LayerMatch, Sec. 4).

LayerMatch's reasons, each as a number that is logged at every evaluation: how good the pseudo-labels are,
where each loss pulls the head beta (Grad-ReLU, Sec. 4.2.1), how far the averaged head beta-bar is from it
(Eq. 8), and the quantity of which Theorem 4.2 says that consistency training drives it to zero.

Nothing here draws random numbers or changes a network: a run with it ends as one without.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from usb_ext.core.processes import of_first, summed
from usb_ext.engine.evaluation import to_device
from usb_ext.engine.processes import mean_over_processes
from usb_ext.engine.statistics import averaged_network
from usb_ext.methods.layermatch.avg_clustering import AvgClusteringHook
from usb_ext.methods.step.base import Weak
from usb_ext.methods.step.head_tap import find_head
from usb_ext.methods.step.views import Inputs
from usb_ext.upstream.running import OnEngine, State, served
from usb_ext.upstream.usb import Hook

PREFIX = "mechanism/"
"""Of its keys in `metrics.jsonl`."""

PROBE = 64
"""ours: images of the probe batch, the first of the evaluation set."""


def head_gradients(
    terms: Mapping[str, torch.Tensor], head: Sequence[nn.Parameter]
) -> dict[str, torch.Tensor]:
    """Gradient of each term of the objective in the head alone (LayerMatch, Sec. 4.2.1).

    No layer below the head is passed through, and the graph stays for the step's own backward pass.

    Args:
        terms: weighted terms of shape () by name.
        head: the head's parameters, weight (C, d) and, where there is one, bias (C,).

    Returns:
        By name a vector (C d + C,), the parameters' entries one after the other, in float32 at least; zeros
        where a term does not reach them, as every unsupervised one under Grad-ReLU.
    """
    found = {}
    for name, term in terms.items():
        parts: Sequence[torch.Tensor | None] = (None,) * len(head)
        if term.requires_grad:
            parts = torch.autograd.grad(term, list(head), retain_graph=True, allow_unused=True)
        whole = [torch.zeros_like(p) if g is None else g for p, g in zip(head, parts, strict=True)]
        found[name] = _flat(whole)
    return found


def consistency_slope(network: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """P (1 - P) |beta grad_x M|_1 of Theorem 4.2 and its second factor (LayerMatch, Eq. 7).

    ours: the theorem is about two classes. Here P is the probability of the predicted class k, and
    beta grad_x M the gradient of its log-odds, z_k - log sum over the others of exp z. For two classes that
    is the theorem's quantity; for any number the product is |grad_x p_k|_1, what Lemma 4.1 integrates.

    Args:
        network: from (n, ...) to {"logits": (n, C)}, C >= 2, in evaluation mode: no example sees another.
        x: (n, ...) inputs.

    Returns:
        (n,) the quantity and (n,) |beta grad_x M|_1, both >= 0.
    """
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        logits = network(x)["logits"]
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        place = logits.argmax(dim=1, keepdim=True)
        others = logits.scatter(1, place, -torch.inf).logsumexp(dim=1)
        odds = logits.gather(1, place).squeeze(1) - others
        (gradient,) = torch.autograd.grad(odds.sum(), x)
    slope = gradient.flatten(1).abs().sum(dim=1)
    p = torch.sigmoid(odds.detach())
    return p * (1 - p) * slope, slope


class MechanismHook(Hook):
    """Owns the counts since the last evaluation, each loss's pull, and the head that training started from.

    ours: the pull of a loss on the head is the sum over all steps of lr times its gradient there, which plain
    gradient descent would go; momentum, weight decay, clipping and Adam's scale are left out.

    Across processes the counts are of the whole batch, and gradients are summed, as the optimizer has them.
    (In USB's own loop each counts the examples it was served, and gradients are averaged.)

    Args:
        head: the classification layer.
        classes: (U,) true class of each unlabelled example, -1 unknown; empty where none is known.
    """

    def __init__(self, head: nn.Linear, classes: torch.Tensor) -> None:
        super().__init__()
        parts = (head.weight, head.bias)
        self.head = [part for part in parts if isinstance(part, nn.Parameter)]
        self.classes = classes
        self.counts = torch.zeros(6)
        self.pulls: dict[str, torch.Tensor] = {}
        self.start: torch.Tensor | None = None
        self.probe: Inputs | None = None

    @torch.no_grad()
    def before_train_step(self, algorithm: OnEngine) -> None:
        """Remember the head before the first step."""
        if self.start is None:
            self.start = _flat(self.head).clone()

    def after_losses(
        self,
        algorithm: OnEngine,
        weak: Weak,
        weights: torch.Tensor,
        terms: Mapping[str, torch.Tensor],
    ) -> None:
        """Count the step's pseudo-labels, and add what each term pulls.

        Args:
            algorithm: the running algorithm.
            weak: `probs` (U', C) and `indices` (U',), or None, of the step's unlabelled examples.
            weights: (U',) their weights; above 0 is selected.
            terms: the objective's terms of shape (), each with its weight.
        """
        self._count(weak, weights.detach() > 0)
        rates = [_rate(algorithm.optimizer, parameter) for parameter in self.head]
        for name, gradient in head_gradients(terms, self.head).items():
            mean = mean_over_processes(algorithm, summed(gradient))
            sizes = [parameter.numel() for parameter in self.head]
            scaled = [r * g for r, g in zip(rates, torch.split(mean, sizes), strict=True)]
            step = torch.cat(scaled)
            before = self.pulls.get(name)
            self.pulls[name] = step if before is None else before + step

    def _count(self, weak: Weak, selected: torch.Tensor) -> None:
        """Examples, selected ones, known ones, right ones, known selected ones, right selected ones."""
        labels = weak.probs.argmax(dim=-1)
        known = torch.zeros_like(selected)
        right = known
        if weak.indices is not None and len(self.classes):
            self.classes = self.classes.to(labels.device)
            true = self.classes[weak.indices]
            known, right = true >= 0, labels == true
        each = (
            torch.ones_like(selected),
            selected,
            known,
            right,
            known & selected,
            right & selected,
        )
        self.counts = self.counts.to(labels.device) + torch.stack([e.sum() for e in each])

    def after_train_step(self, algorithm: OnEngine) -> None:
        """At an evaluation, log everything and begin to count anew."""
        if "eval/top-1-acc" not in algorithm.log_dict:
            return
        found = self._quality() | self._distances(algorithm) | self._theorem(algorithm)
        algorithm.log_dict.update({PREFIX + name: value for name, value in found.items()})
        self.counts = torch.zeros_like(self.counts)

    def _quality(self) -> dict[str, float]:
        """Coverage, and accuracy of all and of the selected pseudo-labels since the last evaluation."""
        seen, selected, known, right, known_selected, right_selected = self.counts.tolist()
        shares = {
            "coverage": (selected, seen),
            "pseudo_accuracy": (right, known),
            "selected_accuracy": (right_selected, known_selected),
        }
        return {name: part / whole for name, (part, whole) in shares.items() if whole}

    @torch.no_grad()
    def _distances(self, algorithm: OnEngine) -> dict[str, float]:
        """Euclidean norms: of each pull, of the head's way since the start, and from beta-bar to beta."""
        now = _flat(self.head)
        found = {
            f"head_by_{n.removesuffix('_loss')}": float(p.norm()) for n, p in self.pulls.items()
        }
        if self.start is not None:
            found["head_moved"] = float((now - self.start.to(now)).norm())
        hook = algorithm.hooks_dict.get("AvgClusteringHook")
        if isinstance(hook, AvgClusteringHook) and hook.base:
            found["averaged_distance"] = float((_flat(hook.averaged().values()) - now).norm())
            found["averaged_drift"] = float(_flat(hook.drift.values()).norm())
        return found

    def _theorem(self, algorithm: OnEngine) -> dict[str, float]:
        """Theorem 4.2's quantity and its slope, mean over the probe batch, of the evaluated weights."""
        if self.probe is None:
            with torch.random.fork_rng(devices=[]):  # a loader that starts draws a number
                first = next(iter(algorithm.loader_dict["eval"]), None)
            images = None if first is None else first["x_lb"]
            probe: Inputs = images[:PROBE].cpu() if isinstance(images, torch.Tensor) else {}
            self.probe = of_first(probe)  # which has the first batch
        if not isinstance(self.probe, torch.Tensor) or not self.probe.is_floating_point():
            return {}  # words have no gradient
        probe = to_device(self.probe, algorithm.device)
        with torch.random.fork_rng(devices=[]), averaged_network(algorithm) as network:
            values, slopes = consistency_slope(network, probe)
        return {"theorem_4_2": float(values.mean()), "log_odds_slope": float(slopes.mean())}

    def restart(self, algorithm: OnEngine, name: str) -> None:
        """Before training starts from step 0 again: forget everything."""
        self.counts, self.pulls, self.start = torch.zeros_like(self.counts), {}, None

    def state_dict(self) -> State:
        """Counts (6,), pulls and start (C d + C,); a run that goes on without the hook needs none."""
        start = {} if self.start is None else {"start": self.start}
        return {"looks_on": True, "counts": self.counts, "pulls": dict(self.pulls), **start}

    def load_state_dict(self, state: State) -> None:
        """Take a copy of what `state_dict` gave."""
        device = self.head[0].device
        self.counts = state["counts"].to(device, copy=True)
        self.pulls = {n: p.to(device, copy=True) for n, p in state["pulls"].items()}
        self.start = state["start"].to(device, copy=True) if "start" in state else None


def watch_mechanism(algorithm: OnEngine) -> list[tuple[Hook, str, str]]:
    """The hook of a run with `log_mechanism`, with its name and priority; none for others.

    Args:
        algorithm: its data sets and its network are there.
    """
    if not algorithm.args.log_mechanism:
        return []
    known = served(algorithm.dataset_dict, "train_ulb").targets
    classes = np.asarray([] if known is None else known, dtype=np.int64)
    head = find_head(algorithm.model, algorithm.num_classes)
    return [(MechanismHook(head, torch.from_numpy(classes)), "MechanismHook", "NORMAL")]


def _flat(parts: Iterable[torch.Tensor]) -> torch.Tensor:
    """Tensors of any shape as one vector, in float32 at least."""
    joined = torch.cat([part.detach().flatten() for part in parts])
    return joined.to(torch.promote_types(joined.dtype, torch.float32))


def _rate(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> float:
    """The learning rate of a parameter at this step; 0 for one that is not trained."""
    for group in optimizer.param_groups:
        if any(parameter is each for each in group["params"]):
            return float(group["lr"])
    return 0.0
