"""SimSiam, SimCLR and BYOL around a backbone: two views in, a loss out.

SimSiam (Chen & He, 2021, Eq. 2): half of D(p1, sg z2) + D(p2, sg z1), D the negative cosine. BYOL (Grill
et al., 2020) takes z from a second network, a running average of the first. SimCLR (Chen et al., 2020)
tells the two views of an image from those of the others of its batch.
"""

import copy
import math

import torch
from torch import nn

from usb_ext.functional.ema import lerp_into
from usb_ext.pretraining.heads import criterion, predictor, projector
from usb_ext.settings import Settings


class SelfSupervised(nn.Module):
    """A backbone with the heads of a method.

    Args:
        backbone: network from (N, 3, H, W) to `{"feat": (N, d), ...}`.
        settings: `ssl_method` and the sizes of the heads.
        size: side of its images in pixels; one pass finds d.
    """

    def __init__(self, backbone: nn.Module, settings: Settings, size: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.base_momentum = settings.ssl_target_momentum
        self.projector = projector(settings, _width(backbone, size))
        self.predictor = predictor(settings)
        self.criterion = criterion(settings)
        self.target: nn.ModuleList | None = None
        if settings.ssl_method == "byol":
            self.target = nn.ModuleList(copy.deepcopy([backbone, self.projector]))
            self.target.requires_grad_(False)

    def learned(self) -> list[nn.Parameter]:
        """What the optimizer moves: everything but the target network."""
        parts = [self.backbone, self.projector, self.predictor]
        return [p for part in parts if part is not None for p in part.parameters()]

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Images (N, 3, H, W) to features (N, d)."""
        found: torch.Tensor = self.backbone(x)["feat"]
        return found

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Loss of two views (N, 3, H, W) of the same images, shape ()."""
        projected = [self.projector(self.features(view)) for view in (first, second)]
        if self.predictor is None:
            loss: torch.Tensor = self.criterion(*projected)
            return loss
        predicted = [self.predictor(z) for z in projected]
        wanted = [z.detach() for z in projected]
        if self.target is not None:
            wanted = self._targets(first, second)
        loss = self.criterion(predicted[0], wanted[1]) + self.criterion(predicted[1], wanted[0])
        return loss / 2

    @torch.no_grad()
    def _targets(self, *views: torch.Tensor) -> list[torch.Tensor]:
        """The target network's projections of each view, (N, p), by the batch's own statistics."""
        backbone, head = self.target or (self.backbone, self.projector)
        return [head(backbone(view)["feat"]) for view in views]

    def after_step(self, done: float) -> None:
        """Move BYOL's target; the other methods have none.

        Args:
            done: share of the training done, in [0, 1]; the momentum rises to 1 with a cosine.
        """
        if self.target is None:
            return
        momentum = 1 - (1 - self.base_momentum) * (math.cos(math.pi * done) + 1) / 2
        online = [*self.backbone.parameters(), *self.projector.parameters()]
        lerp_into([p.data for p in self.target.parameters()], [p.data for p in online], momentum)


def _width(backbone: nn.Module, size: int) -> int:
    """d: the size of the features, found by one image in evaluation mode, which leaves no trace."""
    was = backbone.training
    device = next(backbone.parameters()).device
    with torch.no_grad():
        found = backbone.eval()(torch.zeros(1, 3, size, size, device=device))["feat"]
    backbone.train(was)
    return int(found.shape[1])
