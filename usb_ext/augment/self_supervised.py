"""Colour jitter and grey of a batch, each image with its own factors and its own order.

SimSiam (Chen & He, 2021, App. A), BYOL and SimCLR: brightness, contrast, saturation and hue change, in an
order that is random for each image, and some images turn grey (AS3L takes its features from these
methods, Sec. 5.1.2). Levels are numbers in [0, 1], where torchvision's on Pillow images would be rounded
to 256 steps after each operation; the formulas are those of torchvision on floating-point tensors.
"""

import torch

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
NEUTRAL = (1.0, 1.0, 1.0, 0.0)
LUMA = (0.2989, 0.587, 0.114)


def luma(images: torch.Tensor) -> torch.Tensor:
    """Grey levels of colour images (SimSiam, App. A: grayscale).

    Args:
        images: (N, 3, H, W) in [0, 1].

    Returns:
        (N, 1, H, W) in [0, 1].
    """
    red, green, blue = images.unbind(1)
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue).unsqueeze(1)


def shift_hue(images: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Colours turned on the colour circle (SimSiam, App. A: jitter).

    With value V = max(R, G, B), chroma D = V - min(R, G, B) and hue h in sixths of the circle, a channel
    is V - D clamp(min(k, 4 - k), 0, 1) with k = (m + h) mod 6 and m = 5, 3, 1 for red, green, blue.

    Args:
        images: (N, 3, H, W) in [0, 1].
        shift: (N,) in turns of the circle, -0.5 to 0.5.

    Returns:
        (N, 3, H, W) in [0, 1].
    """
    red, green, blue = images.unbind(1)
    value = images.amax(1)
    chroma = value - images.amin(1)
    safe = torch.where(chroma > 0, chroma, 1.0)
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    hue = hue + 6 * shift[:, None, None]
    channels = []
    for offset in (5, 3, 1):
        k = torch.remainder(hue + offset, 6)
        channels.append(value - chroma * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(channels, 1)


def _towards(base: torch.Tensor, images: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """base + factor (images - base), cut to [0, 1]; factor (N,) of images (N, 3, H, W)."""
    factor = factor[:, None, None, None]
    return (factor * images + (1 - factor) * base).clamp_(0, 1)


def adjust(images: torch.Tensor, op: int, factor: torch.Tensor) -> torch.Tensor:
    """One of the four operations, each image by its own amount (SimSiam, App. A: jitter).

    Args:
        images: (N, 3, H, W) in [0, 1].
        op: BRIGHTNESS, CONTRAST or SATURATION (factor >= 0, 1 changes nothing) or HUE (a shift in
            turns, 0 changes nothing).
        factor: (N,).

    Returns:
        (N, 3, H, W) in [0, 1].
    """
    if op == HUE:
        return shift_hue(images, factor)
    if op == BRIGHTNESS:
        return _towards(torch.zeros_like(images), images, factor)
    grey = luma(images)
    return _towards(grey.mean((1, 2, 3), keepdim=True) if op == CONTRAST else grey, images, factor)


def to_grey(images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """The chosen images in grey, on three equal channels (SimSiam, App. A: grayscale).

    Args:
        images: (N, 3, H, W) in [0, 1].
        chosen: (N,) bool.

    Returns:
        (N, 3, H, W).
    """
    return torch.where(chosen[:, None, None, None], luma(images).expand_as(images), images)
