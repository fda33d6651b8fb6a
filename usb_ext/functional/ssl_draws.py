"""The random numbers of self-supervised views, drawn for a whole batch at once and on the CPU.

SimSiam (Chen & He, 2021, App. A), the views AS3L's features come from (Sec. 5.1.2): random resized crop,
flip, colour jitter with some probability, grey with some probability. On CIFAR there is no blur.
"""

from dataclasses import dataclass

import torch

from usb_ext.functional.batch_resized_crop import draw_boxes


@dataclass(frozen=True)
class ViewRecipe:
    """How self-supervised views are made; the defaults are SimSiam's for CIFAR.

    Attributes:
        crop_min: smallest share of the area that a crop keeps, in (0, 1].
        hflip: whether half of the images are mirrored.
        jitter_p: probability of colour jitter.
        jitter: largest relative change of brightness, contrast and saturation, in [0, 1].
        hue: largest turn of the hue, in turns, in [0, 0.5].
        grey_p: probability of grey.
    """

    crop_min: float = 0.2
    hflip: bool = True
    jitter_p: float = 0.8
    jitter: float = 0.4
    hue: float = 0.1
    grey_p: float = 0.2


@dataclass(frozen=True)
class ViewDraws:
    """What happens to each of n images (SimSiam, App. A).

    Attributes:
        boxes: (N, 4) int64: top, left, height, width of the crop in pixels.
        flip: (N,) bool.
        jittered: (N,) bool, whether colours change.
        factors: (N, 4) float32: brightness, contrast, saturation (1 changes nothing), hue in turns.
        order: (N, 4) int64, a permutation of 0 to 3: the operations as they follow each other.
        grey: (N,) bool.
    """

    boxes: torch.Tensor
    flip: torch.Tensor
    jittered: torch.Tensor
    factors: torch.Tensor
    order: torch.Tensor
    grey: torch.Tensor


def draw_views(n: int, size: int, recipe: ViewRecipe, generator: torch.Generator) -> ViewDraws:
    """The draws of one view of n images, with torchvision's distributions (SimSiam, App. A).

    Args:
        n: number of images, >= 0.
        size: side of the square images in pixels, >= 1.
        recipe: how strong the views are.
        generator: a CPU generator; it alone decides the draws.

    Returns:
        Draws of shapes (N, ...), on the CPU.
    """
    boxes = draw_boxes(n, size, (recipe.crop_min, 1.0), generator)
    chance = torch.rand(n, 3, generator=generator)
    amount = torch.rand(n, 4, generator=generator) * 2 - 1
    strength = torch.tensor([recipe.jitter] * 3 + [recipe.hue])
    neutral = torch.tensor([1.0, 1.0, 1.0, 0.0])
    return ViewDraws(
        boxes=boxes,
        flip=chance[:, 0] < (0.5 if recipe.hflip else 0.0),
        jittered=chance[:, 1] < recipe.jitter_p,
        factors=neutral + strength * amount,
        order=torch.rand(n, 4, generator=generator).argsort(1),
        grey=chance[:, 2] < recipe.grey_p,
    )
