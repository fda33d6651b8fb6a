"""Grey levels and the blend of two images, in Pillow's arithmetic.

Brightness, Color, Contrast and Sharpness (LayerMatch, Table 7; RandAugment, Cubuk et al. 2020, Sec. 3)
are one formula, base + strength * (image - base), with a base that is black, grey, flat grey or
blurred. Pillow computes it in 32-bit floats, rounding the product and the sum, and cuts the fraction
off. The same two roundings in the same order give the same bits; a fused multiply-add would not.
"""

import torch

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
