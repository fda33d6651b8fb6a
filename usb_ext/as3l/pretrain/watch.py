"""How good the features are while they are learned: a vote of the neighbours, and a collapse check."""

from dataclasses import dataclass

import torch

from usb_ext.as3l.pretrain.method import SelfSupervised
from usb_ext.augment.views import normalise
from usb_ext.data.image_store import ImageStore
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

    def training_features(self, method: SelfSupervised) -> torch.Tensor:
        """Features of the plain training images, (N, d) float32 on the device."""
        return self._features(method, self.train, len(self.train_targets))

    def scores(self, method: SelfSupervised) -> dict[str, float]:
        """`knn`, accuracy on the test images in [0, 1], where classes are known; `spread`, 0 in collapse.

        The spread is that of the projections, as in SimSiam's Fig. 2: features that come out of a ReLU
        all point into one corner. It is taken on at most 4,096 images.
        """
        train = self.training_features(method)
        found = {"spread": self._spread(method, train[:: max(1, len(train) // SPREAD_ROWS)])}
        known = self.train_targets >= 0
        tested = self.test_targets >= 0
        if known.any() and tested.any():
            test = self._features(method, self.test, len(self.test_targets))
            device = train.device
            points, labels = train[known.to(device)], self.train_targets[known].to(device)
            votes = weighted_vote(
                points, labels, test[tested.to(device)], self.num_classes, self.k, self.temperature
            )
            right = votes.cpu() == self.test_targets[tested]
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
        parts = []
        for rows in torch.split(torch.arange(count), ROWS):
            images = normalise(store.fetch(rows), self.mean, self.std)
            parts.append(method.features(images).float())
        method.train(was)
        return torch.cat(parts)
