"""Views drawn by (seed, image, view): independent of block, order and number of views."""

from dataclasses import replace

import numpy as np
import torch

from usb_ext.as3l.frozen.views import KeptRecipe, view_of

RECIPE = KeptRecipe(2, 2, 8, 1, True, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), 7)


def images(n: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (n, 3, 8, 8), generator=generator, dtype=torch.uint8)


def test_the_plain_view_is_the_image_normalised() -> None:
    pixels = images().double().numpy() / 255
    look = [np.array(v).reshape(1, 3, 1, 1) for v in (RECIPE.mean, RECIPE.std)]
    found = view_of(images(), torch.arange(6), 0, RECIPE)
    assert np.allclose(found.numpy(), (pixels - look[0]) / look[1], atol=1e-5)


def test_a_view_hangs_on_seed_image_and_view_alone() -> None:
    places = torch.arange(6)
    for view in (1, 3):
        whole = view_of(images(), places, view, RECIPE)
        part = view_of(images()[[4, 2]], torch.tensor([4, 2]), view, RECIPE)
        assert torch.equal(part, whole[[4, 2]])
    weak = view_of(images(), places, 1, RECIPE)
    assert torch.equal(weak, view_of(images(), places, 1, replace(RECIPE, weak=1)))
    assert not torch.equal(weak, view_of(images(), places, 2, RECIPE))
    assert not torch.equal(weak, view_of(images(), places, 1, replace(RECIPE, seed=8)))


def test_a_weak_view_is_a_shift_by_the_padding_at_most_perhaps_mirrored() -> None:
    recipe = replace(RECIPE, mean=(0.0,) * 3, std=(1 / 255,) * 3)
    padded = np.pad(images().numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    found = view_of(images(), torch.arange(6), 1, recipe).round().numpy()
    for image, view in zip(padded, found, strict=True):
        cuts = [image[:, y : y + 8, x : x + 8] for y in range(3) for x in range(3)]
        assert any(np.array_equal(c, view) or np.array_equal(c[..., ::-1], view) for c in cuts)
