"""A run's namespace, and classes of training images, for tests of what is built from them."""

from argparse import Namespace
from typing import Any

import numpy as np

from usb_ext.settings import load_settings

CLASSES = 10
K = 5
TARGETS = np.random.default_rng(0).permutation(np.repeat(np.arange(K), [30, 25, 20, 15, 10]))
"""(100,) classes of training images: 30 of class 0, 25 of class 1, ... in a shuffled order."""


def arguments(**changed: Any) -> Namespace:
    settings = load_settings(
        {"num_labels": 10, "num_classes": CLASSES, "dataset": "digits"}, changed
    )
    values = settings.settings.model_dump()
    values["label_seed"] = settings.settings.split_seed
    return Namespace(**values)
