"""The batches of pre-training: permutations, two different views, all decided by (seed, step)."""

import numpy as np
import torch

from usb_ext.as3l.pretrain.batches import TwoViews
from usb_ext.augment.self_supervised import ViewRecipe
from usb_ext.data.image_store import ImageStore

COUNT, SIZE, BATCH = 23, 8, 5
STILL = ViewRecipe(crop_min=1.0, hflip=False, jitter_p=0.0, grey_p=0.0)


def two_views(seed: int = 0, recipe: ViewRecipe | None = None) -> TwoViews:
    """Images of one level each, so that a view tells which image it is of."""
    levels = np.arange(COUNT, dtype=np.uint8)[:, None, None, None]
    images = np.broadcast_to(levels, (COUNT, SIZE, SIZE, 3)).copy()
    store = ImageStore(images, SIZE, torch.device("cpu"), 2**30)
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.4, 0.2)
    return TwoViews(store, COUNT, BATCH, recipe or STILL, mean, std, seed)


def shown(view: torch.Tensor) -> list[int]:
    """Which image each row of a view is of, from its first channel."""
    return ((view[:, 0, 0, 0] * 0.5 + 0.1) * 255).round().int().tolist()


def test_an_epoch_shows_each_image_once_and_the_next_in_another_order() -> None:
    views = two_views()
    assert views.steps == COUNT // BATCH
    epochs = []
    for epoch in range(2):
        steps = range(epoch * views.steps, (epoch + 1) * views.steps)
        rows = [row for step in steps for row in shown(views.batch(step)[0])]
        assert len(rows) == len(set(rows)) == views.steps * BATCH
        epochs.append(rows)
    assert epochs[0] != epochs[1]


def test_views_are_normalised_channel_by_channel() -> None:
    view = two_views().batch(0)[1]
    level = torch.tensor(shown(view)) / 255
    for channel, (mean, std) in enumerate(((0.1, 0.5), (0.2, 0.4), (0.3, 0.2))):
        wanted = ((level - mean) / std)[:, None, None].expand(-1, SIZE, SIZE)
        torch.testing.assert_close(view[:, channel], wanted, rtol=0, atol=1e-5)


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    recipe = ViewRecipe()
    first, again, other = two_views(0, recipe), two_views(0, recipe), two_views(1, recipe)
    torch.manual_seed(3)
    wanted = [first.batch(step) for step in range(6)]
    for step in (4, 1, 4):
        for left, right in zip(wanted[step], again.batch(step), strict=True):
            assert torch.equal(left, right)
    assert not torch.equal(wanted[0][0], other.batch(0)[0])
    assert not torch.equal(wanted[0][0], wanted[0][1])
