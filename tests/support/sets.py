"""Stand-in data sets on disk, in the real ones' formats: a few random images a class.

torchvision checks the checksums of the real files; `monkeypatch` takes those away.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision
from PIL import Image

CIFAR = {
    "cifar10": (10, "labels", [f"data_batch_{n}" for n in range(1, 6)], "test_batch"),
    "cifar100": (100, "fine_labels", ["train"], "test"),
}
"""Classes, name of the labels, training files and test file of both."""


def cifar(
    data_dir: Path, name: str, monkeypatch: pytest.MonkeyPatch, per_file: int, seed: int = 0
) -> None:
    """`data_dir/cifar10` or `data_dir/cifar100`: pickles of `per_file` images, classes in turn."""
    known: Any = getattr(torchvision.datasets, name.upper())
    classes, key, train, test = CIFAR[name]
    folder = data_dir / name / known.base_folder
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    labels = (np.arange(per_file) % classes).tolist()
    for file in (*train, test):
        pixels = rng.integers(0, 256, (per_file, 3072), dtype=np.uint8)
        (folder / file).write_bytes(pickle.dumps({"data": pixels, key: labels}))
    names = {known.meta["key"]: [str(c) for c in range(classes)]}
    (folder / known.meta["filename"]).write_bytes(pickle.dumps(names))
    monkeypatch.setattr(known, "train_list", [[file, None] for file in train])
    monkeypatch.setattr(known, "test_list", [[test, None]])
    monkeypatch.setattr(known, "meta", {**known.meta, "md5": None})


def stl10(data_dir: Path, monkeypatch: pytest.MonkeyPatch, per_class: int) -> None:
    """`data_dir/stl10`: 96-pixel images as bytes, classes from 1 on, and as many without a class."""
    known = torchvision.datasets.STL10
    folder = data_dir / "stl10" / known.base_folder
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(1, 11, dtype=np.uint8), per_class)
    for split in ("train", "test", "unlabeled"):
        rng.integers(0, 256, (len(labels), 3, 96, 96), dtype=np.uint8).tofile(
            folder / f"{split}_X.bin"
        )
        if split != "unlabeled":
            labels.tofile(folder / f"{split}_y.bin")
    for kind in ("train_list", "test_list"):
        unchecked = [[file, None] for file, _ in getattr(known, kind)]
        monkeypatch.setattr(known, kind, unchecked)


def imagenet(root: Path, classes: list[str], per_class: int, val_per_class: int = 1) -> None:
    """`root/train/<class>/*.JPEG` and `root/val/<class>/*.JPEG`: 40 x 32 pixels, random colours."""
    rng = np.random.default_rng(0)
    for split, count in (("train", per_class), ("val", val_per_class)):
        for name in classes:
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (32, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{name}_{number}.JPEG")
