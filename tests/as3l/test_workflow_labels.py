"""Which images may be chosen in `usb-ext as3l`."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from usb_ext.as3l.workflow import choose, made_files
from usb_ext.data.training_set import load_training_set
from usb_ext.settings import load_settings


def test_only_images_of_known_class_are_chosen_where_asked(tmp_path: Path) -> None:
    """A folder with 6 images of 2 classes and 30 of none; without `known` the others are chosen too."""
    rng = np.random.default_rng(0)
    places = [*("train/a",) * 3, *("train/b",) * 3, *("unlabeled",) * 30, "test/a", "test/b"]
    for number, place in enumerate(places):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / place / f"{number}.png")
    features = tmp_path / "features.npz"
    np.savez(features, features=rng.normal(size=(36, 4)).astype(np.float32))
    given = {
        "dataset": "imagefolder", "data_dir": str(tmp_path), "num_classes": 2, "img_size": 8,
        "num_labels": 4, "label_split": "file", "label_file": "auto", "save_dir": str(tmp_path),
        "as3l_tune_epochs": 0, "device": "cpu",
    }  # fmt: skip
    known: dict[str, bool] = {}
    for candidates in ("all", "known"):
        changed = {"as3l_candidates": candidates, "as3l_name": candidates}
        settings = load_settings(given, changed).settings
        files = made_files(settings)._replace(features=features)
        choose(settings, files, lambda _: 0)
        selected = files.selected
        ids = json.loads(selected.read_text())["ids"]
        targets = load_training_set(settings).targets
        known[candidates] = bool((targets[ids] >= 0).all()) and len(set(ids)) == 4
    assert known == {"all": False, "known": True}
