"""Weak and strong views whose random numbers hang on (seed, image, view) alone.

So neither the block that an image stands in, nor how many views are kept, changes any of them.
"""

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
import torch

from usb_ext.augment.draws import StrongDraws, WeakDraws, draw_strong, draw_weak
from usb_ext.augment.views import normalise, strong_view, weak_view
from usb_ext.data.batches import AUGMENTATION
from usb_ext.data.training_set import TrainingSet
from usb_ext.settings import Settings

STREAM = 11
"""ours: sets these numbers apart from those of a training run of the same seed."""

_Draws = TypeVar("_Draws", StrongDraws, WeakDraws)


@dataclass(frozen=True)
class KeptRecipe:
    """Which views of an image are kept, and how they are made (LayerMatch, Table 7).

    Attributes:
        weak: number of weak views, >= 1; they follow the plain one.
        strong: number of strong views, >= 1; they follow the weak ones.
        size: side of the images in pixels.
        padding: pixels of reflect padding a side before the random crop.
        hflip: whether images are mirrored.
        mean: of the three channels, of pixels in [0, 1].
        std: likewise, > 0.
        seed: of all draws.
    """

    weak: int
    strong: int
    size: int
    padding: int
    hflip: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    seed: int

    @property
    def views(self) -> int:
        """Number of views with the plain one."""
        return 1 + self.weak + self.strong


def recipe_for(settings: Settings, data: TrainingSet, weak: int, strong: int) -> KeptRecipe:
    """The recipe that a run on the images themselves would follow.

    Args:
        settings: with `img_size`, `crop_ratio` and `seed`.
        data: says mean, deviation and mirroring.
        weak: number of weak views.
        strong: number of strong views.
    """
    s = settings
    padding = int(s.img_size * (1 - s.crop_ratio))
    look = (tuple(data.mean), tuple(data.std))
    return KeptRecipe(weak, strong, s.img_size, padding, data.hflip, *look, s.seed)


def view_of(
    images: torch.Tensor, positions: torch.Tensor, view: int, recipe: KeptRecipe
) -> torch.Tensor:
    """One view of some images, normalised.

    Args:
        images: (n, 3, S, S) uint8.
        positions: (n,) their places in the training set.
        view: 0 is the plain one, then the weak, then the strong ones.
        recipe: how.

    Returns:
        (n, 3, S, S) float32.
    """
    made = images
    if view > 0:
        generators = [_generator(recipe.seed, place, view) for place in positions.tolist()]
        shifts = [draw_weak(1, recipe.padding, recipe.hflip, g) for g in generators]
        made = weak_view(made, _joined(shifts))
        if view > recipe.weak:
            made = strong_view(made, _joined([draw_strong(1, recipe.size, g) for g in generators]))
    return normalise(made, recipe.mean, recipe.std)


def _generator(seed: int, position: int, view: int) -> torch.Generator:
    words = np.random.SeedSequence((seed, STREAM, AUGMENTATION, position, view))
    return torch.Generator().manual_seed(int(words.generate_state(1, np.uint64)[0]) >> 1)


def _joined(draws: list[_Draws]) -> _Draws:
    """The numbers of several images in one."""
    names = [field.name for field in fields(draws[0])]
    return type(draws[0])(**{n: torch.cat([getattr(one, n) for one in draws]) for n in names})
