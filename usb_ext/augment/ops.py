"""Six operations as tables of 256 grey levels, one an image and channel.

LayerMatch, Table 7 (strong augmentation); RandAugment, Cubuk et al. 2020, Sec. 3. Brightness, Posterize
and Solarize look at nothing but their strength, so their tables are made on the CPU with the draws.
AutoContrast, Equalize and Contrast look at the image. All equal Pillow's tables bit for bit, because
they are made as Pillow makes them: AutoContrast in 64-bit floats, Equalize in whole numbers. A device
without 64-bit floats (mps) makes AutoContrast's in 32 bits and may differ by one level.
"""

import numpy as np
import torch

from usb_ext.augment.draws import Op
from usb_ext.functional.batch_blend import blend, grey_levels
from usb_ext.functional.batch_gather import LEVELS, histograms

_TOP = LEVELS - 1


def fixed_tables(ops: torch.Tensor, magnitudes: torch.Tensor) -> torch.Tensor:
    """Tables of the operations that do not look at the image (LayerMatch, Table 7).

    Args:
        ops: (M,) int64 on the CPU, each `Op.BRIGHTNESS` (a factor 0..1), `Op.POSTERIZE` (bits kept,
            0..8, the fraction cut off and at least 1) or `Op.SOLARIZE` (levels from here on are
            inverted, 0..256).
        magnitudes: (M,) float64.

    Returns:
        (M, 256) uint8.
    """
    kind, strength = ops.numpy(), magnitudes.numpy()[:, None]
    levels = np.arange(LEVELS, dtype=np.uint8)
    tables = np.where(levels < strength, levels, _TOP - levels)
    dark = kind == Op.BRIGHTNESS
    tables[dark] = levels.astype(np.float32) * strength[dark].astype(np.float32)
    coarse = kind == Op.POSTERIZE
    bits = np.clip(strength[coarse].astype(np.int64), 1, 8)
    tables[coarse] = levels & (LEVELS - (LEVELS >> bits))
    return torch.from_numpy(tables)


def autocontrast_tables(images: torch.Tensor) -> torch.Tensor:
    """Each channel stretched so that its darkest level is 0 and its brightest 255 (LayerMatch, Table 7).

    Args:
        images: (M, C, H, W) uint8.

    Returns:
        (M, C, 256) uint8; a channel of one level keeps it.
    """
    kind = torch.float32 if images.device.type == "mps" else torch.float64
    low = images.amin((2, 3)).to(kind).unsqueeze(2)
    span = images.amax((2, 3)).to(kind).unsqueeze(2) - low
    levels = torch.arange(LEVELS, device=images.device, dtype=kind)
    scale = torch.full_like(span, _TOP) / span.clamp(min=1)
    table = (levels * scale).sub_(low * scale).clamp_(0, _TOP)
    return torch.where(span > 0, table, levels).to(torch.int16).to(torch.uint8)


def equalize_tables(levels: torch.Tensor) -> torch.Tensor:
    """Each channel's levels spread so that all occur about equally often (LayerMatch, Table 7).

    Args:
        levels: (M, C, P) int64 in 0..255, the pixels of the images.

    Returns:
        (M, C, 256) uint8; a channel with fewer than 255 pixels below its top level is kept.
    """
    counts = histograms(levels)
    top = counts.gather(2, levels.amax(2, keepdim=True))
    step = (levels.shape[2] - top) // _TOP
    below = counts.cumsum(2, dtype=torch.int32) - counts
    table = below.add_(step // 2).floor_divide_(step.clamp(min=1)).clamp_(max=_TOP)
    kept = torch.arange(LEVELS, device=levels.device, dtype=torch.int32)
    return torch.where(step > 0, table, kept).to(torch.uint8)


def contrast_tables(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Towards the image's mean grey level, rounded half up (LayerMatch, Table 7: Contrast).

    Args:
        images: (M, 3, H, W) uint8.
        strength: (M,) float32 in 0..1; 0 is flat grey, 1 the image itself.

    Returns:
        (M, 1, 256) uint8, one table for the three channels.
    """
    pixels = images.shape[2] * images.shape[3]
    total = grey_levels(images).sum((1, 2, 3), dtype=torch.int64)
    mean = (2 * total + pixels) // (2 * pixels)
    levels = torch.arange(LEVELS, device=images.device, dtype=torch.float32)
    return blend(mean.view(-1, 1, 1), levels, strength.view(-1, 1, 1))
