"""How good the features are while they are learned: a vote of the neighbours, and a collapse check.

What counts are the features that pre-training leaves: with `bn_statistics: fresh` batch norm divides by
statistics of plain training images, as in the runs that start from its weights (`engine.statistics`). Of
several processes each takes its share of the images.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from usb_ext.as3l.pretrain.method import SelfSupervised
from usb_ext.augment.views import normalise
from usb_ext.core.processes import put_together, world
from usb_ext.data.image_store import ImageStore
from usb_ext.engine.statistics import BATCH, batch_norms, fresh_statistics
from usb_ext.methods.as3l.consistency import feature_spread, weighted_vote

ROWS, SPREAD_ROWS = 512, 4096


@dataclass
class Watch:
    """What features are made of and judged by.

    Attributes:
        train: the training images.
        train_targets: (N,) classes, -1 unknown, on the CPU.
        test: the test images.
        test_targets: (M,) classes, on the CPU.
        mean: of each channel.
        std: of each channel.
        num_classes: C.
        k: neighbours that vote.
        temperature: of their votes.
        sample: (n,) training images that batch norm's statistics are made of; None: those that ran along.
    """

    train: ImageStore
    train_targets: torch.Tensor
    test: ImageStore
    test_targets: torch.Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]
    num_classes: int
    k: int
    temperature: float
    sample: NDArray[np.int64] | None = None

    @contextmanager
    def judged(self, method: SelfSupervised) -> Iterator[None]:
        """Inside, the backbone has the statistics that features are made with; then its own come back."""
        if self.sample is None or not batch_norms(method.backbone):
            yield
            return
        was, rows = method.training, torch.from_numpy(self.sample)
        batches = ({"x_lb": self._images(self.train, part)} for part in torch.split(rows, BATCH))
        with fresh_statistics(method.backbone, batches, self.train.device):
            yield
        method.train(was)

    def _images(self, store: ImageStore, rows: torch.Tensor) -> torch.Tensor:
        """Images of a store (n,), normalised: (n, 3, H, W)."""
        return normalise(store.fetch(rows), self.mean, self.std)

    def training_features(self, method: SelfSupervised) -> torch.Tensor:
        """Features of the plain training images, (N, d) float32 on the device; where `judged`."""
        return self._features(method, self.train, len(self.train_targets))

    def scores(self, method: SelfSupervised) -> dict[str, float]:
        """What `scores_of` finds in the features as they would be left now."""
        with self.judged(method):
            return self.scores_of(method, self.training_features(method))

    def scores_of(self, method: SelfSupervised, train: torch.Tensor) -> dict[str, float]:
        """`knn`, accuracy on the test images in [0, 1], where classes are known; `spread`, 0 in collapse.

        The spread is that of the projections, as in SimSiam's Fig. 2: features that come out of a ReLU
        all point into one corner. It is taken on at most 4,096 images.

        Args:
            method: where `judged`.
            train: (N, d), its `training_features`.
        """
        found = {"spread": self._spread(method, train[:: max(1, len(train) // SPREAD_ROWS)])}
        known = self.train_targets >= 0
        tested = self.test_targets >= 0
        if known.any() and tested.any():
            test = self._features(method, self.test, len(self.test_targets))
            device, own = train.device, world().share(int(tested.sum()))
            points, labels = train[known.to(device)], self.train_targets[known].to(device)
            queries, classes = test[tested.to(device)][own], self.test_targets[tested][own]
            votes = weighted_vote(
                points, labels, queries, self.num_classes, self.k, self.temperature
            )
            right = put_together(votes == classes.to(device))
            found["knn"] = float(right.double().mean())
        return found

    @torch.no_grad()
    def _spread(self, method: SelfSupervised, features: torch.Tensor) -> float:
        """Spread of the projections of features (N, d), heads in evaluation mode."""
        was = method.training
        spread = feature_spread(method.eval().projector(features))
        method.train(was)
        return float(spread)

    @torch.no_grad()
    def _features(self, method: SelfSupervised, store: ImageStore, count: int) -> torch.Tensor:
        """Features (N, d) of the `count` images of a store, the backbone in evaluation mode."""
        was = method.training
        method.eval()
        blocks = torch.split(torch.arange(count), ROWS)
        own = blocks[world().share(len(blocks))]
        parts = [method.features(self._images(store, rows)).float() for rows in own]
        method.train(was)
        return put_together(torch.cat(parts) if parts else torch.empty(0, device=store.device))
