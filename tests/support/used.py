"""A run on pictures of two classes, and runs around a given network, for what uses finished runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn

from support.images import FOLDER_RUN, folder_of_images
from support.run import run
from usb_ext.data.preprocessing import ImagePreprocessing, Preprocessing
from usb_ext.settings import load_settings
from usb_ext.training.load import TrainedRun
from usb_ext.upstream.nets import wrn_10_1

CLASSES = ("cat", "<dog> & co")
SHORT: dict[str, Any] = {"num_train_iter": 2, "num_eval_iter": 2, "epoch": 1, "lr": 0.001}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def photo_run(root: Path, **changed: Any) -> Path:
    """Train for two steps on `root/photos`; gives the run's folder. Its classes are sorted CLASSES."""
    folder_of_images(root / "photos", classes=CLASSES, test=3)
    run(root, **{**FOLDER_RUN, **SHORT, "data_dir": str(root / "photos"), **changed})
    return root / "run"


def by_hand(folder: Path, files: Sequence[Path], size: int = 16) -> np.ndarray[Any, Any]:
    """Probabilities (n, 2) from the saved weights, image by image: averaged parameters, own statistics."""
    state = torch.load(folder / "latest_model.pth", weights_only=True)
    network = wrn_10_1(num_classes=2)
    averaged = {name for name, _ in network.named_parameters()}
    network.load_state_dict(
        {n: state["ema_model" if n in averaged else "model"][n] for n in network.state_dict()}
    )
    found = []
    for file in files:
        square = ImageOps.fit(
            Image.open(file).convert("RGB"), (size, size), Image.Resampling.BILINEAR
        )
        pixels = (np.asarray(square, dtype=np.float64) / 255 - MEAN) / STD
        batch = torch.from_numpy(pixels.transpose(2, 0, 1)[None]).double()
        with torch.no_grad():
            logits = network.double().eval()(batch)["logits"][0].numpy()
        shares = np.exp(logits - logits.max())
        found.append(shares / shares.sum())
    return np.array(found)


def around(
    network: nn.Module,
    classes: Sequence[str],
    transform: Preprocessing | None = None,
    **settings: Any,
) -> TrainedRun:
    """A run that was never trained."""
    return TrainedRun(
        folder=Path("nowhere"),
        settings=load_settings(None, {"label_split": "random", **settings}).settings,
        network=network.eval(),
        classes=tuple(classes),
        transform=transform or ImagePreprocessing(16, MEAN, STD),
        result=None,
    )


class Brightness(nn.Module):
    """Two logits: the mean of all values, and its opposite."""

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        mean = x.flatten(1).mean(dim=1)
        return {"logits": torch.stack([mean, -mean], dim=1)}
