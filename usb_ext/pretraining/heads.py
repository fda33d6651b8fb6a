"""Projectors, predictors and losses, from lightly, which is an optional part of the installation."""

from types import ModuleType
from typing import Any

from torch import nn

from usb_ext.core.errors import SettingsError
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
