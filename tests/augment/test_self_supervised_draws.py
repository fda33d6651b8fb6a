"""Draws of self-supervised views: how often, how much, and decided by the generator alone."""

import numpy as np
import torch
from scipy import stats

from usb_ext.augment.self_supervised import ViewRecipe, draw_views


def test_how_often_and_how_much() -> None:
    draws = draw_views(
        6000, 16, ViewRecipe(jitter_p=0.7, grey_p=0.3), torch.Generator().manual_seed(4)
    )
    for chosen, share in ((draws.flip, 0.5), (draws.jittered, 0.7), (draws.grey, 0.3)):
        assert stats.binomtest(int(chosen.sum()), 6000, share).pvalue > 1e-4
    for column, (low, width) in enumerate([(0.6, 0.8)] * 3 + [(-0.1, 0.2)]):
        values = draws.factors[:, column].numpy()
        assert stats.kstest(values, stats.uniform(low, width).cdf).pvalue > 1e-4
    counts = np.unique(draws.order.numpy(), axis=0, return_counts=True)[1]
    assert len(counts) == 24 and stats.chisquare(counts).pvalue > 1e-4


def test_no_flips_where_none_are_wanted_and_the_generator_alone_decides() -> None:
    still = ViewRecipe(hflip=False)
    before = torch.get_rng_state()
    first, again = (draw_views(99, 16, still, torch.Generator().manual_seed(5)) for _ in "ab")
    assert not first.flip.any() and torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(v, vars(again)[k]) for k, v in vars(first).items())
