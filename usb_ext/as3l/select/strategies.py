"""The strategies by name: which samples to label (AS3L, Table 8, and TypiClust).

Every strategy chooses once, before any label is known; `stratified` alone looks at labels, which is why
the paper calls it unfair.
"""

from dataclasses import dataclass

import numpy as np
import torch

from usb_ext.as3l.select.as3l import select_as3l
from usb_ext.as3l.select.baselines import (
    select_coreset,
    select_kmedoids,
    select_random,
    select_stratified,
)
from usb_ext.as3l.select.typiclust import select_typiclust
from usb_ext.as3l.select.usl import USL_NUMBERS, select_usl
from usb_ext.core.arrays import FloatArray, IntArray
from usb_ext.settings.as3l import RUNS


@dataclass(frozen=True, eq=False)
class Selection:
    """What was chosen.

    Attributes:
        positions: (n,) rows of the features, in the order chosen.
        clusters: (n,) cluster that each stands for; -1 where the strategy has none.
    """

    positions: IntArray
    clusters: IntArray


def select(
    strategy: str,
    features: FloatArray,
    budget: int,
    rng: np.random.Generator,
    *,
    runs: int = RUNS,
    targets: IntArray | None = None,
    points_per_center: int | None = None,
    usl: str = "cifar10",
    device: torch.device | None = None,
) -> Selection:
    """Choose `budget` samples.

    Args:
        strategy: one of `STRATEGIES`.
        features: (N, d); for `as3l` the fine-tuned ones.
        budget: 1 to N.
        rng: source of randomness.
        runs: C of `as3l`.
        targets: (N,) classes, for `stratified` alone.
        points_per_center: as in `kmeans.kmeans`, for `as3l`.
        usl: whose numbers `usl` takes, a key of `usl.USL_NUMBERS`.
        device: where `as3l` clusters, as in `nearest.placed`.

    Raises:
        ValueError: an unknown strategy, a budget outside 1 to N, or `stratified` without targets.
    """
    if not 1 <= budget <= len(features):
        raise ValueError(f"budget {budget} of {len(features)} samples")
    if strategy == "as3l":
        return Selection(*select_as3l(features, budget, rng, runs, points_per_center, device))
    if strategy == "kmedoids":
        return Selection(*select_kmedoids(features, budget, rng))
    if strategy == "usl":
        return Selection(*select_usl(features, budget, rng, USL_NUMBERS[usl]))
    if strategy == "typiclust":
        return Selection(*select_typiclust(features, budget, rng))
    if strategy == "coreset":
        return _without_clusters(select_coreset(features, budget, rng))
    if strategy == "random":
        return _without_clusters(select_random(len(features), budget, rng))
    if strategy == "stratified" and targets is not None:
        return _without_clusters(select_stratified(targets, budget, rng))
    raise ValueError(f"strategy {strategy!r} with targets {targets is not None}")


GIVEN = ("as3l", "kmedoids", "typiclust", "coreset", "random")
"""Strategies that can add to samples that are labelled already."""


def select_more(
    strategy: str,
    features: FloatArray,
    given: IntArray,
    budget: int,
    rng: np.random.Generator,
) -> Selection:
    """Choose `budget` samples beside those that are labelled already, which the paper does not treat.

    ours: `as3l` and `kmedoids` look for medoids beside the given ones, which stay (`as3l` on fine-tuned
    features: stable cores have no counterpart with centers that are held); `coreset` goes on from them, and
    `typiclust` takes from clusters without a label first, as its authors do.

    Args:
        strategy: one of `GIVEN`.
        features: (N, d); for `as3l` the fine-tuned ones.
        given: (G,) distinct positions of those that are labelled, G >= 1.
        budget: 1 to N - G.
        rng: source of randomness.

    Raises:
        ValueError: another strategy, or a budget outside 1 to N - G.
    """
    if not 1 <= budget <= len(features) - len(given):
        raise ValueError(f"budget {budget} of {len(features)} samples, {len(given)} given")
    if strategy in ("as3l", "kmedoids"):
        return Selection(*select_kmedoids(features, budget, rng, given=given))
    if strategy == "typiclust":
        return Selection(*select_typiclust(features, budget, rng, given))
    if strategy == "coreset":
        return _without_clusters(select_coreset(features, budget, rng, given))
    if strategy == "random":
        free = np.setdiff1d(np.arange(len(features)), given)
        return _without_clusters(free[select_random(len(free), budget, rng)])
    raise ValueError(f"strategy {strategy!r} beside given samples")


def _without_clusters(positions: IntArray) -> Selection:
    return Selection(positions, np.full(len(positions), -1, dtype=np.int64))
