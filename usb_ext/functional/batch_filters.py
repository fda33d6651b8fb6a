"""Color and Sharpness: the two operations whose result mixes channels or neighbours.

LayerMatch, Table 7 (strong augmentation); RandAugment, Cubuk et al. 2020, Sec. 3. Bit for bit Pillow's
`ImageEnhance.Color` and `ImageEnhance.Sharpness` at strengths 0..1.
"""

import torch

from usb_ext.functional.batch_blend import blend, grey_levels


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
