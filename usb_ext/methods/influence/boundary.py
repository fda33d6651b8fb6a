"""BoundaryHook: how a network divides the plane, at several steps (Ren et al., 2020, Figs. 1 and 2)."""

from typing import TypedDict

import torch

from usb_ext.engine.statistics import averaged_network
from usb_ext.methods.influence.hook import example_weights
from usb_ext.upstream.running import OnEngine, Served, State
from usb_ext.upstream.usb import Hook

SIDE = 80
"""ours: nodes of the grid along each side."""

MARGIN = 0.1
"""ours: the grid reaches beyond the points by this share of their extent."""


def has_two_features(dataset: Served) -> bool:
    """Whether a data set's examples are points of the plane.

    Args:
        dataset: one of a run's.
    """
    return tuple(getattr(getattr(dataset, "data", None), "shape", ()))[1:] == (2,)


def panel_steps(num_steps: int, panels: int) -> list[int]:
    """Numbers of steps after which a panel is kept: 1, `num_steps`, and others evenly between.

    Args:
        num_steps: T, steps of the run.
        panels: n >= 1; for 1 the last alone. Short runs have fewer.
    """
    spread = [1 + round(k * (num_steps - 1) / (panels - 1)) for k in range(panels - 1)]
    return sorted({*spread, num_steps})


def watch_boundary(algorithm: OnEngine) -> list[tuple[Hook, str, str]]:
    """The hook for a run on points of the plane, with its name and priority; none for other data.

    Args:
        algorithm: its data sets are there; `boundary_panels` is among its settings.
    """
    data = (algorithm.dataset_dict[name] for name in ("train_lb", "train_ulb"))
    points = (part for part in data if part is not None and has_two_features(part))
    parts = [torch.as_tensor(part.data) for part in points]
    if not parts:
        return []
    steps = panel_steps(algorithm.num_train_iter, algorithm.args.boundary_panels)
    return [(BoundaryHook(torch.cat(parts), steps), "BoundaryHook", "VERY_LOW")]


class Panel(TypedDict):
    """How the plane was divided after a step: probabilities (SIDE, SIDE, C), weights (N_ulb,) or None."""

    step: int
    probs: torch.Tensor
    weights: torch.Tensor | None


class BoundaryHook(Hook):
    """Keeps the averaged network's probabilities on a grid, and the weights, for `boundary.png`.

    The network is the one that is evaluated. Nothing it does draws random numbers or changes the network.

    Across processes: all hold the same network; the first one's panels are drawn.

    Args:
        points: (N, 2), which the grid shall cover.
        steps: after how many steps a panel is kept.

    Attributes:
        panels: what was kept; `probs` by row (second feature) and column.
    """

    def __init__(self, points: torch.Tensor, steps: list[int]) -> None:
        super().__init__()
        low, high = points.min(dim=0).values, points.max(dim=0).values
        reach = MARGIN * (high - low)
        self.low, self.high = (low - reach).tolist(), (high + reach).tolist()
        self.steps = steps
        self.panels: list[Panel] = []

    def axes(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Coordinates (SIDE,) of the grid's columns and of its rows."""
        x, y = (torch.linspace(a, b, SIDE) for a, b in zip(self.low, self.high, strict=True))
        return x, y

    def after_train_step(self, algorithm: OnEngine) -> None:
        """Keep a panel if it is time."""
        if algorithm.it + 1 in self.steps:
            weights = example_weights(algorithm)
            probs = self._divide(algorithm)
            self.panels.append({"step": algorithm.it + 1, "probs": probs, "weights": weights})

    @torch.no_grad()
    def _divide(self, algorithm: OnEngine) -> torch.Tensor:
        """Probabilities (SIDE, SIDE, C) of the grid's nodes."""
        x, y = self.axes()
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        nodes = torch.stack((columns, rows), dim=-1).view(-1, 2)
        with averaged_network(algorithm) as network:
            logits = network(nodes.to(algorithm.device))["logits"]
        probs: torch.Tensor = logits.float().softmax(dim=-1)
        return probs.view(SIDE, SIDE, -1).cpu()

    def restart(self, algorithm: OnEngine, name: str) -> None:
        """Before training starts from step 0 again: forget the panels."""
        self.panels = []

    def state_dict(self) -> State:
        """The panels so far."""
        return {"panels": self.panels}

    def load_state_dict(self, state: State) -> None:
        """Take back what `state_dict` gave."""
        self.panels = list(state["panels"])
