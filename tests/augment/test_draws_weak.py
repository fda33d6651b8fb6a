"""The weak view's draws against torchvision's, and against what they should be (LayerMatch, Table 7)."""

import numpy as np
import pytest
import torch
from scipy import stats
from support.pillow import pictures, to_pillow
from torchvision import transforms

from usb_ext.augment.draws import WeakDraws, draw_weak

SIGNIFICANCE = 1e-4
PADDING, IMAGES = 4, 9000


def ours(hflip: bool = True, seed: int = 0) -> WeakDraws:
    return draw_weak(IMAGES, PADDING, hflip, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("axis", [0, 1])
def test_shifts_are_uniform_over_all_corners(axis: int) -> None:
    counts = np.bincount(ours().shift[:, axis].numpy() + PADDING, minlength=2 * PADDING + 1)
    assert len(counts) == 2 * PADDING + 1
    assert stats.chisquare(counts).pvalue > SIGNIFICANCE


def test_shifts_down_and_right_and_flips_are_independent() -> None:
    draws = ours()
    down, right = (draws.shift + PADDING).T.numpy()
    cells = (down * (2 * PADDING + 1) + right) * 2 + draws.flip.numpy()
    counts = np.bincount(cells, minlength=2 * (2 * PADDING + 1) ** 2)
    assert stats.chisquare(counts).pvalue > SIGNIFICANCE


@pytest.mark.parametrize("axis", [0, 1])
def test_shifts_are_as_frequent_as_torchvisions(axis: int) -> None:
    padded = to_pillow(pictures(16 + 2 * PADDING, 16 + 2 * PADDING)[0])
    state = torch.get_rng_state()
    torch.manual_seed(0)
    drawn = [transforms.RandomCrop.get_params(padded, (16, 16))[axis] for _ in range(IMAGES)]
    torch.set_rng_state(state)
    table = [np.bincount(v, minlength=9) for v in (drawn, ours().shift[:, axis].numpy() + PADDING)]
    assert stats.chi2_contingency(np.stack(table)).pvalue > SIGNIFICANCE


def test_half_are_flipped_or_none() -> None:
    flipped = int(ours().flip.sum())
    assert stats.binomtest(flipped, IMAGES, 0.5).pvalue > SIGNIFICANCE
    assert not ours(hflip=False).flip.any()


def test_the_shift_does_not_depend_on_whether_flips_are_wanted() -> None:
    assert torch.equal(ours(hflip=False).shift, ours().shift)


def test_the_generator_alone_decides() -> None:
    before = torch.get_rng_state()
    assert torch.equal(ours().shift, ours().shift) and torch.equal(ours().flip, ours().flip)
    assert not torch.equal(ours().shift, ours(seed=1).shift)
    assert torch.equal(torch.get_rng_state(), before)


def test_parts_and_edges() -> None:
    draws = ours()
    part = draws.part(3, 8)
    assert torch.equal(part.shift, draws.shift[3:8]) and torch.equal(part.flip, draws.flip[3:8])
    generator = torch.Generator().manual_seed(0)
    assert not draw_weak(9, 0, True, generator).shift.any()
    assert draw_weak(0, 2, True, generator).shift.shape == (0, 2)
    with pytest.raises(ValueError, match="padding is -1 pixels; it must be at least 0"):
        draw_weak(1, -1, True, generator)
    with pytest.raises(
        ValueError, match=r"shift \(3, 1\), flip \(3,\); wanted \(n, 2\) and \(n,\)"
    ):
        WeakDraws(torch.zeros(3, 1), torch.zeros(3))
