"""Dropout and stochastic depth for some rows of a batch, as all rows together would have drawn them.

Such a layer multiplies its input by numbers that it draws, dropout one for each value and stochastic depth
one for each row. Where a step sends only some rows through the network, or sends them in several passes, the
numbers must still be those of the one pass over all rows; and as many must be drawn, so that every later draw
is the same too.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn

Index = slice | torch.Tensor
"""Rows by their places: a slice, or (n,) whole numbers."""

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
STOCHASTIC_DEPTHS = ("DropPath", "StochasticDepth")
"""Classes of timm, torchvision and USB, by name: each library has its own."""


def noisy_layers(model: nn.Module) -> list[nn.Module]:
    """The layers of a network that draw numbers to multiply by as it stands; none in evaluation mode.

    Args:
        model: the network.
    """
    return [m for m in model.modules() if m.training and _rate(m) > 0]


def _rate(layer: nn.Module) -> float:
    """The share of values or rows that a layer sets to 0; 0 for layers of other kinds."""
    if isinstance(layer, DROPOUTS):
        return float(layer.p)
    if _is_stochastic_depth(layer):
        rate = getattr(layer, "drop_prob", getattr(layer, "p", 0.0))
        return float(rate or 0.0)
    return 0.0


def _is_stochastic_depth(layer: nn.Module) -> bool:
    return type(layer).__name__ in STOCHASTIC_DEPTHS


class RowNoise:
    """What the noisy layers of a network draw for the rows of one step.

    Args:
        layers: from `noisy_layers`; empty for a network without any, where nothing is done.

    Attributes:
        total: rows that one pass over all of the step's rows would have.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        self.layers = tuple(layers)
        self.total = 0
        self._rows: Index = slice(0)
        self._next = 0
        self._drawn: list[torch.Tensor] = []

    def begin(self, total: int) -> None:
        """A step begins.

        Args:
            total: n, rows that one pass over all of them would have.
        """
        self.total, self._drawn = total, []

    def end(self) -> None:
        """Let go of the step's numbers."""
        self._drawn = []

    @contextmanager
    def rows(self, rows: Index) -> Iterator[None]:
        """Inside, a pass of the network is one over these of the step's rows.

        The first pass of a step draws for all rows, layer by layer in the order of their calls.

        Args:
            rows: their places among the n rows.
        """
        self._rows, self._next = rows, 0
        for layer in self.layers:
            layer.__dict__["forward"] = partial(self._multiplied, layer)
        try:
            yield
        finally:
            for layer in self.layers:
                layer.__dict__.pop("forward", None)

    def _multiplied(self, layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """(m, ...) of the pass's rows times what was drawn for them."""
        if not layer.training:
            return x
        if self._next == len(self._drawn):
            self._drawn.append(self._draw(layer, x))
        found = self._drawn[self._next][self._rows]
        self._next += 1
        return x * found

    @torch.no_grad()
    def _draw(self, layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """What a layer multiplies all n rows of its input by, (n, ...) or (n, 1, ..., 1)."""
        width = [1] * (x.ndim - 1) if _is_stochastic_depth(layer) else x.shape[1:]
        found: torch.Tensor = type(layer).forward(layer, x.new_ones((self.total, *width)))
        return found
