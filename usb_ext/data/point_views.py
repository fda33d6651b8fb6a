"""Views of a point: the point itself, or with noise."""

import torch


class Jitter:
    """A view (d,) of a point (d,): Gaussian noise added, or nothing.

    ours: the paper says nothing of views for its toy sets, and Pseudo-Label needs none; consistency
    methods on points need noise to differ in.

    Args:
        std: standard deviation of the noise in the unit of the points; 0 gives the point as it is. The
            numbers come from torch's generator, which the loaders seed for each step.
    """

    def __init__(self, std: float) -> None:
        self.std = std

    def __call__(self, point: torch.Tensor) -> torch.Tensor:
        """A view, shape (d,)."""
        return point + self.std * torch.randn(point.shape) if self.std else point
