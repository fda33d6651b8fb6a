"""The network of a run as it is exported: preprocessing in front, probabilities behind, and what it is.

Resizing stays outside: Pillow's filters have no equal among the operations of ONNX. `METADATA` says how.
"""

import json
from typing import Any

import torch
from torch import nn

from usb_ext._version import __version__
from usb_ext.data.preprocessing import ImagePreprocessing, Preprocessing
from usb_ext.training.load import TrainedRun

METADATA = "usb_ext"
"""The key, in every format, under which a JSON object says what the model takes and gives."""

INPUT, OUTPUTS = "images", ("logits", "probabilities")
POINTS = "points"


class Portable(nn.Module):
    """From images as they come out of a decoder to logits and probabilities.

    Args:
        network: from (B, 3, S, S) or (B, d) to `{"logits": (B, K)}`.
        transform: of the run.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: nn.Module, transform: Preprocessing) -> None:
        super().__init__()
        self.network = network
        self.on_images = isinstance(transform, ImagePreprocessing)
        if isinstance(transform, ImagePreprocessing):
            self.register_buffer("mean", torch.tensor(transform.mean).view(-1, 1, 1))
            self.register_buffer("std", torch.tensor(transform.std).view(-1, 1, 1))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (B, K) and their softmax.

        Args:
            images: uint8 (B, S, S, 3), RGB; of a run on points float32 (B, d).
        """
        inputs = images
        if self.on_images:
            scaled = images.permute(0, 3, 1, 2).to(torch.float32) / 255
            inputs = (scaled - self.mean) / self.std
        logits = self.network(inputs)["logits"]
        return logits, torch.softmax(logits, dim=-1)


def portable(run: TrainedRun) -> Portable:
    """The run's network ready for export, on the CPU, in evaluation mode."""
    return Portable(
        run.network.cpu().to(memory_format=torch.contiguous_format), run.transform
    ).eval()


def input_name(run: TrainedRun) -> str:
    """What the input is called."""
    return INPUT if isinstance(run.transform, ImagePreprocessing) else POINTS


def trial_batch(run: TrainedRun, count: int) -> torch.Tensor:
    """So many examples by chance, the same at every call.

    Args:
        run: whose shape they have.
        count: B.
    """
    generator = torch.Generator().manual_seed(count)
    if isinstance(run.transform, ImagePreprocessing):
        size = run.transform.size
        shape = (count, size, size, len(run.transform.mean))
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    return torch.randn(count, run.transform.features, generator=generator)


def described(run: TrainedRun) -> dict[str, Any]:
    """What stands under METADATA: input, preprocessing, classes, outputs, and the run it comes from."""
    settings = run.settings
    return {
        "classes": list(run.classes),
        "input": {"name": input_name(run), **_input(run.transform)},
        "preprocessing": run.transform.to_json(),
        "outputs": {
            "logits": ["batch", len(run.classes)],
            "probabilities": "softmax of the logits",
        },
        "net": settings.net,
        **({} if run.frozen is None else {"frozen_net": run.frozen.net}),
        "num_classes": settings.num_classes,
        "algorithm": settings.algorithm,
        "dataset": settings.dataset,
        "iterations": None if run.result is None else run.result.iterations,
        "usb_ext": __version__,
    }


def described_as_text(run: TrainedRun) -> str:
    """The same as JSON."""
    return json.dumps(described(run))


def _input(transform: Preprocessing) -> dict[str, Any]:
    """Type, shape, and what is to be done before."""
    if not isinstance(transform, ImagePreprocessing):
        return {"dtype": "float32", "shape": ["batch", transform.features], "before": "nothing"}
    size = transform.size
    if transform.resize is None:
        cut = f"the largest centred square, resized to {size} x {size} pixels"
    else:
        cut = f"the shorter side resized to {transform.resize} pixels, then the centre of {size} x {size}"
    before = f"turned as EXIF says, transparency on white, RGB; {cut}; Pillow's bilinear filter"
    return {"dtype": "uint8", "shape": ["batch", size, size, 3], "layout": "NHWC", "before": before}
