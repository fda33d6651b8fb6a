"""torchvision's answer to a padded crop with a flip."""

import torch
from torchvision.transforms import functional as TF

from support.pillow import from_pillow, to_pillow


def torchvision_view(image: torch.Tensor, shift: list[int], flip: bool, pad: int) -> torch.Tensor:
    """Pad all around, crop at the corner that the shift means, mirror."""
    height, width = image.shape[1:]
    padded = TF.pad(to_pillow(image), pad, padding_mode="reflect")
    cropped = TF.crop(padded, shift[0] + pad, shift[1] + pad, height, width)
    return from_pillow(TF.hflip(cropped) if flip else cropped)
