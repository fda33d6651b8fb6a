"""Six operations as tables of 256 grey levels, one an image and channel.

LayerMatch, Table 7 (strong augmentation); RandAugment, Cubuk et al. 2020, Sec. 3. Brightness, Posterize
and Solarize look at nothing but their strength, so their tables are made on the CPU with the draws.
AutoContrast, Equalize and Contrast look at the image. All equal Pillow's tables bit for bit, because
they are made as Pillow makes them: AutoContrast in 64-bit floats, Equalize in whole numbers. A device
without 64-bit floats (mps) makes AutoContrast's in 32 bits and may differ by one level.

Grey levels and the blend of two images, in Pillow's arithmetic.

Brightness, Color, Contrast and Sharpness (LayerMatch, Table 7; RandAugment, Cubuk et al. 2020, Sec. 3)
are one formula, base + strength * (image - base), with a base that is black, grey, flat grey or
blurred. Pillow computes it in 32-bit floats, rounding the product and the sum, and cuts the fraction
off. The same two roundings in the same order give the same bits; a fused multiply-add would not.

Color and Sharpness: the two operations whose result mixes channels or neighbours.

LayerMatch, Table 7 (strong augmentation); RandAugment, Cubuk et al. 2020, Sec. 3. Bit for bit Pillow's
`ImageEnhance.Color` and `ImageEnhance.Sharpness` at strengths 0..1.

Picking pixels and looking up grey levels for a whole batch, each as one `torch.gather`.

Of the operations of LayerMatch, Table 7 five only move pixels and six only rename grey levels; both are
reads through a table. Measured on a CPU (one core of an EPYC 9004, 192 images of 3 x 32 x 32), a byte
costs 0.66 ns by `gather` with the conversion of its index, 0.67 by `index_select` from a flat tensor,
1.3 by `take` and 3.6 by indexing; `gather` alone uses further cores. On a GPU it is one kernel.
"""

import numpy as np
import torch

from usb_ext.augment.draws import Op

# Luma of ITU-R 601-2 in units of 1/65536, as Pillow's conversion to mode L has it.
_RED, _GREEN, _BLUE, _HALF = 19595, 38470, 7471, 0x8000


def grey_levels(images: torch.Tensor) -> torch.Tensor:
    """The luma of colour images, rounded to the nearest level (LayerMatch, Table 7: Color, Contrast).

    Args:
        images: (M, 3, H, W) uint8.

    Returns:
        (M, 1, H, W) int32 in 0..255.
    """
    red, green, blue = images.to(torch.int32).unbind(1)
    luma = (red * _RED).add_(green, alpha=_GREEN).add_(blue, alpha=_BLUE).add_(_HALF)
    return luma.bitwise_right_shift_(16).unsqueeze(1)


def blend(base: torch.Tensor, image: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """base + strength * (image - base), fraction cut off: Pillow's `Image.blend` (LayerMatch, Table 7).

    Args:
        base: whole numbers in 0..255, of a shape that broadcasts to that of `image`.
        image: shape (M, ...), whole numbers in 0..255, of any type.
        strength: float32 in 0..1, broadcasts too; 0 gives the base, 1 the image.

    Returns:
        uint8 of the broadcast shape.
    """
    base = base.to(torch.float32)
    mixed = ((image.to(torch.float32) - base) * strength).add_(base)
    # Through int16: the direct conversion from float to uint8 is not vectorised and 4 times slower.
    return mixed.to(torch.int16).to(torch.uint8)


def colour(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Towards the grey picture (LayerMatch, Table 7: Color).

    Args:
        images: (M, 3, H, W) uint8.
        strength: (M,) float32 in 0..1; 0 is grey, 1 the image itself.

    Returns:
        (M, 3, H, W) uint8.
    """
    return blend(grey_levels(images), images, strength.view(-1, 1, 1, 1))


def smooth(images: torch.Tensor) -> torch.Tensor:
    """The inner pixels after Pillow's SMOOTH kernel (LayerMatch, Table 7: Sharpness).

    The kernel weighs a pixel 5 and its eight neighbours 1 each, over 13, rounded to nearest. Its sum
    is a whole number, so (sum + 6.5) / 13 is never nearer than 1/26 to a whole one: the rounding of
    float32, here and in Pillow, cannot change the result.

    Args:
        images: (M, C, H, W) uint8, H and W at least 3.

    Returns:
        (M, C, H-2, W-2) int16 in 0..255.
    """
    level = images.to(torch.int16)
    column = level[..., :-2, :] + level[..., 1:-1, :] + level[..., 2:, :]
    total = column[..., :-2] + column[..., 1:-1] + column[..., 2:]
    total.add_(level[..., 1:-1, 1:-1], alpha=4)
    return total.to(torch.float32).add_(6.5).mul_(1 / 13).to(torch.int16)


def sharpness(images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Towards the blurred picture; border pixels stay (LayerMatch, Table 7: Sharpness).

    Args:
        images: (M, C, H, W) uint8; with H or W below 3 all pixels are border.
        strength: (M,) float32 in 0..1; 0 is blurred, 1 the image itself.

    Returns:
        (M, C, H, W) uint8.
    """
    result = images.clone()
    if min(images.shape[-2:]) >= 3:
        inner = images[..., 1:-1, 1:-1]
        result[..., 1:-1, 1:-1] = blend(smooth(images), inner, strength.view(-1, 1, 1, 1))
    return result


LEVELS = 256


def gather_pixels(images: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Pixels picked per image, the same ones for every channel (LayerMatch, Table 7, geometry).

    Args:
        images: (M, C, H, W), contiguous.
        index: (M, A, B) integers in 0..H*W-1, the pixel that each pixel of the result reads.

    Returns:
        (M, C, A, B).
    """
    every = index.flatten(1).to(torch.int64).unsqueeze(1).expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, every).view(*images.shape[:2], *index.shape[1:])


def lookup(tables: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """Every grey level replaced by its entry in its image's and channel's table (LayerMatch, Table 7).

    Args:
        tables: (M, C, 256) uint8.
        levels: (M, C, P) int64 in 0..255, the pixels of the images.

    Returns:
        (M, C, P) uint8.
    """
    return tables.gather(2, levels)


def histograms(levels: torch.Tensor) -> torch.Tensor:
    """How often each grey level occurs in each channel (LayerMatch, Table 7: Equalize).

    Args:
        levels: (M, C, P) int64 in 0..255, the pixels of the images.

    Returns:
        (M, C, 256) int32; each row sums to P.
    """
    shape = (*levels.shape[:2], LEVELS)
    counts = torch.zeros(shape, dtype=torch.int32, device=levels.device)
    return counts.scatter_add_(2, levels, torch.ones_like(levels, dtype=torch.int32))


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
