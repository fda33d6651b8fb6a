"""A run's namespace, for tests of what is built from it."""

from argparse import Namespace
from typing import Any

from usb_ext.settings import load_settings

CLASSES = 10


def arguments(**changed: Any) -> Namespace:
    settings = load_settings(
        {"num_labels": 10, "num_classes": CLASSES, "dataset": "digits"}, changed
    )
    values = settings.settings.model_dump()
    values["label_seed"] = settings.settings.split_seed
    return Namespace(**values)
