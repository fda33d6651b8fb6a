"""Features made alike before a network of vectors reads them: power, length, centre.

Hu, Gripon & Pateux (2021), Leveraging the Feature Distribution in Transfer-based Few-Shot Learning, Eq. 1,
for features that a network kept of images it was not trained on: most are small and few are large.
"""

import torch
from torch import nn
from torch.nn import functional as F

NUMBERS = 2**16
"""ours: so many numbers of features go through all passes at once on a CPU, whose cache holds them."""

SMALLEST = 1e-12
"""ours: what is nearer to zero and not zero has this number's root; float16 begins far above."""


class PowerTransform(nn.Module):
    """z = u - c, of length sqrt(d), where u = sign(x) sqrt|x| is scaled to length 1.

    ours: the centre c is the mean of u over the training images' plain views, and the last step makes the
    numbers of an example about 1 in size, as layers expect them. Part of the network: of its checkpoints,
    averages and exports.

    Args:
        features: d, numbers that an example has.
    """

    center: torch.Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transformed examples (B, d), float, of examples (B, d)."""
        if x.requires_grad and torch.is_grad_enabled():
            root = x.abs().clamp_min(SMALLEST).sqrt() * x.sign()
            moved = F.normalize(root, dim=1) - self.center
            return torch.mul(F.normalize(moved, dim=1), x.shape[1] ** 0.5)
        made = torch.empty_like(x)
        rows = _rows_at_once(x)
        for part, out in zip(torch.split(x, rows), torch.split(made, rows), strict=True):
            _scale(_direction(part, out).sub_(self.center)).mul_(x.shape[1] ** 0.5)
        return made


def center_of(features: torch.Tensor) -> torch.Tensor:
    """The centre for `PowerTransform`: (d,) float32, from the training images' features (n, d), n >= 1."""
    wide = (rows.double() for rows in torch.split(features, _rows_at_once(features)))
    parts = [_direction(rows, torch.empty_like(rows)).sum(dim=0) for rows in wide]
    return (torch.stack(parts).sum(dim=0) / len(features)).float()


def _rows_at_once(x: torch.Tensor) -> int:
    return max(1, NUMBERS // x.shape[1] if x.device.type == "cpu" else len(x))


def _direction(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """u, into `out`: a zero, as ReLU leaves many, stays one, but its root takes MKL twenty times as long."""
    return _scale(out.copy_(x).abs_().clamp_min_(SMALLEST).sqrt_().mul_(x.sign()))


def _scale(x: torch.Tensor) -> torch.Tensor:
    """`normalize` in place: these passes over memory are a third of a small network's step."""
    return x.div_(torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp_min_(1e-12))
