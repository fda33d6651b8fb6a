"""SimSiam, SimCLR and BYOL around a backbone: two views in, a loss out.

SimSiam (Chen & He, 2021, Eq. 2): half of D(p1, sg z2) + D(p2, sg z1), D the negative cosine. BYOL (Grill
et al., 2020) takes z from a second network, a running average of the first. SimCLR (Chen et al., 2020)
tells the two views of an image from those of the others of its batch. Projectors, predictors and losses are
lightly's, an optional part of the installation.
"""

import copy
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import nn

from usb_ext.core.errors import SettingsError
from usb_ext.core.processes import gathered_rows
from usb_ext.engine.hooks.average import lerp_into
from usb_ext.methods.step.independence import why_rows_interact
from usb_ext.methods.step.row_noise import RowNoise, noisy_layers
from usb_ext.settings import Settings

OUTPUT_DIM = {"simclr": 128, "byol": 256}
"""Size of the projector's output where none is given; SimSiam's is its width."""


def lightly_parts() -> tuple[ModuleType, ModuleType]:
    """lightly's modules of heads and of losses.

    Raises:
        SettingsError: lightly is not installed.
    """
    try:
        import lightly.loss
        import lightly.models.modules.heads
    except ImportError as error:
        raise SettingsError(
            f'pre-training needs the package lightly ({error}); pip install "usb_ext[as3l]", or give '
            "features of your own with --features FILE.npz"
        ) from error
    return lightly.models.modules.heads, lightly.loss


def projector(settings: Settings, features: int) -> nn.Module:
    """From features (N, d) to projections (N, p).

    SimSiam's ends with a batch norm without weights, as in its paper; with 2 layers it is the one for
    CIFAR, with 3 the one for ImageNet.

    Args:
        settings: method, layers and sizes.
        features: d.
    """
    heads, _ = lightly_parts()
    s, width = settings, settings.ssl_projector_dim
    if s.ssl_method == "simclr":
        made = heads.SimCLRProjectionHead(features, width, output_dim(s), s.ssl_projector_layers)
    elif s.ssl_method == "byol":
        made = heads.BYOLProjectionHead(features, width, output_dim(s))
    else:
        sizes = [features, *[width] * (s.ssl_projector_layers - 1), output_dim(s)]
        blocks: list[Any] = [
            (a, b, nn.BatchNorm1d(b), nn.ReLU())
            for a, b in zip(sizes[:-2], sizes[1:-1], strict=True)
        ]
        last = (*sizes[-2:], nn.BatchNorm1d(sizes[-1], affine=False), None)
        made = heads.ProjectionHead([*blocks, last])
    return _module(made)


def predictor(settings: Settings) -> nn.Module | None:
    """From projections (N, p) to predictions (N, p); None for SimCLR, which has none."""
    heads, _ = lightly_parts()
    if settings.ssl_method == "simclr":
        return None
    kinds = {"simsiam": heads.SimSiamPredictionHead, "byol": heads.BYOLPredictionHead}
    size = output_dim(settings)
    return _module(kinds[settings.ssl_method](size, settings.ssl_predictor_dim, size))


def criterion(settings: Settings) -> nn.Module:
    """The loss of two batches of projections: negative cosine, or SimCLR's NT-Xent."""
    _, losses = lightly_parts()
    if settings.ssl_method == "simclr":
        return _module(losses.NTXentLoss(temperature=settings.ssl_temperature))
    return _module(losses.NegativeCosineSimilarity())


def output_dim(settings: Settings) -> int:
    """Size p of the projector's output."""
    own = OUTPUT_DIM.get(settings.ssl_method, settings.ssl_projector_dim)
    return settings.ssl_output_dim or own


def _module(made: Any) -> nn.Module:
    found: nn.Module = made
    return found


class SelfSupervised(nn.Module):
    """A backbone with the heads of a method.

    Args:
        backbone: network from (N, 3, H, W) to `{"feat": (N, d), ...}`.
        settings: `ssl_method` and the sizes of the heads.
        size: side of its images in pixels; one pass finds d.

    Attributes:
        joint: whether both views go through the backbone in one pass; the same numbers, up to rounding, where
            `views_may_join`.
    """

    joint = False

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

    def forward(
        self, first: torch.Tensor, second: torch.Tensor, total: int | None = None
    ) -> torch.Tensor:
        """Loss of two views of some images, shape (); in each of several processes that of the whole batch.

        Args:
            first: (n, 3, H, W), this process's rows.
            second: likewise.
            total: N, rows of all processes; None is n.
        """
        total = len(first) if total is None else total
        projected = [self.projector(z) for z in self._of_both(self.features, first, second)]
        if self.predictor is None:
            loss: torch.Tensor = self.criterion(*(gathered_rows(z, total) for z in projected))
            return loss
        predicted = [gathered_rows(self.predictor(z), total) for z in projected]
        wanted = [z.detach() for z in projected]
        if self.target is not None:
            wanted = self._targets(first, second)
        wanted = [gathered_rows(z, total) for z in wanted]
        loss = self.criterion(predicted[0], wanted[1]) + self.criterion(predicted[1], wanted[0])
        return loss / 2

    @torch.no_grad()
    def _targets(self, *views: torch.Tensor) -> list[torch.Tensor]:
        """The target network's projections of each view, (N, p), by the batch's own statistics."""
        backbone, head = self.target or (self.backbone, self.projector)
        return [head(z) for z in self._of_both(lambda x: backbone(x)["feat"], *views)]

    def _of_both(
        self, features: Callable[[torch.Tensor], torch.Tensor], *views: torch.Tensor
    ) -> list[torch.Tensor]:
        """Features (n, d) of each of two views."""
        if self.joint:
            return list(features(torch.cat(views)).chunk(2))
        return [features(view) for view in views]

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


def views_may_join(backbone: nn.Module, size: int) -> bool:
    """Whether a backbone treats every row alone and draws nothing, so that two views may go in one pass.

    Args:
        backbone: on its device, in training mode; left as it is.
        size: side of its images in pixels.
    """
    if noisy_layers(backbone):
        return False
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, 3, size, size, generator=generator)
    device = next(backbone.parameters()).device
    return not why_rows_interact(backbone, RowNoise(()), images.to(device))


def _width(backbone: nn.Module, size: int) -> int:
    """d: the size of the features, found by one image in evaluation mode, which leaves no trace."""
    was = backbone.training
    device = next(backbone.parameters()).device
    with torch.no_grad():
        found = backbone.eval()(torch.zeros(1, 3, size, size, device=device))["feat"]
    backbone.train(was)
    return int(found.shape[1])
