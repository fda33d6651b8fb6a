"""Folders of small pictures: a colour a class, with noise, so that a tiny network learns them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COLOURS = ((200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40))

FOLDER_RUN: dict[str, Any] = {
    "algorithm": "fixmatch", "dataset": "imagefolder", "num_classes": 2, "num_labels": 4,
    "batch_size": 2, "uratio": 1, "eval_batch_size": 64, "augment": "batched",
}  # fmt: skip
"""Settings over `support.run.TINY` for such a folder of two classes."""


def picture(path: Path, colour: Sequence[int] = COLOURS[0], seed: int = 0) -> Path:
    """One picture of 16 pixels a side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(0, 25, (16, 16, 3))
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def folder_of_images(
    root: Path, classes: Sequence[str] = ("a", "b"), train: int = 6, test: int = 2, seed: int = 0
) -> Path:
    """`root/train/<class>/*.png` and `root/test/<class>/*.png`."""
    for number, name in enumerate(classes):
        for split, count in (("train", train), ("test", test)):
            for i in range(count):
                unique = seed * 10_000 + number * 1000 + i + (500 if split == "test" else 0)
                picture(root / split / name / f"{i:03d}.png", COLOURS[number % 4], unique)
    return root
