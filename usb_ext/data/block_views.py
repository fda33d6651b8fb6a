"""The views of a block of images, by whole-batch operations (LayerMatch, Table 7, for the strong ones)."""

from dataclasses import dataclass, fields
from typing import TypeVar

import torch

from usb_ext.augment.draws import StrongDraws, draw_strong
from usb_ext.augment.recipe import Recipe
from usb_ext.augment.views import normalise, strong_view, weak_view
from usb_ext.data.view_plan import ROTATED, WEAK
from usb_ext.functional.batch_weak_draws import WeakDraws, draw_weak

Draws = TypeVar("Draws", WeakDraws, StrongDraws)


def _first(draws: Draws, n: int) -> Draws:
    """The numbers of the first n images."""
    return type(draws)(**{field.name: getattr(draws, field.name)[:n] for field in fields(draws)})


@dataclass(frozen=True)
class Serving:
    """What a loader serves.

    Attributes:
        views: name of each view and its kind (`view_plan`).
        weak: recipe of weak views.
        strong: recipe of strong views; None where there are none.
        index_key: `idx_lb` or `idx_ulb`.
        target_key: `y_lb`, or None for unlabelled batches.
    """

    views: dict[str, str]
    weak: Recipe
    strong: Recipe | None
    index_key: str
    target_key: str | None


def make_views(
    images: torch.Tensor, serving: Serving, generator: torch.Generator, drawn: int
) -> dict[str, torch.Tensor]:
    """The views of a block of images.

    Args:
        images: (N, 3, H, W) uint8.
        serving: which views.
        generator: source of the random numbers.
        drawn: images that numbers are drawn for, >= N, so that a shorter block draws the same.

    Returns:
        Each view by name, (N, 3, H, W) float32, and the turns `rot_v` (N,) of a rotated one.
    """
    made: dict[str, torch.Tensor] = {}
    for name, kind in serving.views.items():
        if kind == ROTATED:
            made.update(_rotated(name, made, generator, drawn))
        else:
            made[name] = _view(images, serving, kind, generator, drawn)
    return made


def _view(
    images: torch.Tensor, serving: Serving, kind: str, generator: torch.Generator, drawn: int
) -> torch.Tensor:
    recipe = serving.weak if kind == WEAK else serving.strong
    if recipe is None:
        raise ValueError("this loader has no recipe for strong views")
    n = images.shape[0]
    view = images
    if recipe.padding is not None:
        weak = draw_weak(drawn, recipe.padding, recipe.hflip, generator)
        view = weak_view(view, _first(weak, n))
    if recipe.num_ops:
        strong = draw_strong(drawn, recipe.size, generator, recipe.num_ops)
        view = strong_view(view, _first(strong, n))
    return normalise(view, recipe.mean, recipe.std)


def _rotated(
    name: str, made: dict[str, torch.Tensor], generator: torch.Generator, drawn: int
) -> dict[str, torch.Tensor]:
    """ReMixMatch's rotations by 0, 90, 180 or 270 degrees of its first strong view."""
    view = made["x_ulb_s_0"]
    turns = torch.randint(4, (drawn,), generator=generator)[: view.shape[0]]
    turned = torch.stack([torch.rot90(view, k, (2, 3)) for k in range(4)])
    turns = turns.to(view.device, non_blocking=True)
    chosen = turned[turns, torch.arange(view.shape[0], device=view.device)]
    return {name: chosen, "rot_v": turns}
