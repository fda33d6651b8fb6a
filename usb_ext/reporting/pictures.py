"""Pictures inside a page: images and figures as data URIs, so that the page needs nothing else."""

import base64
import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from usb_ext.data.decode import BadImage, opened, upright_rgb
from usb_ext.inference.inputs import One
from usb_ext.serving.scores import Bin

SIDE = 160
"""Pixels: longest side of an image in a gallery."""

SMALL = 64
"""Pixels up to which an image is kept to the bit."""


def data_uri(content: bytes, kind: str) -> str:
    """A picture's bytes as an address.

    Args:
        content: of the file.
        kind: `png` or `jpeg`.
    """
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def thumbnail(item: One) -> str | None:
    """The original image, made small, as an address; None for a point or a file that cannot be decoded.

    Args:
        item: a file name, or an array (H, W, 3).
    """
    if isinstance(item, np.ndarray):
        return _encoded(Image.fromarray(item)) if item.ndim == 3 else None
    if isinstance(item, Image.Image):
        return _encoded(upright_rgb(item))
    try:
        with opened(item) as image:
            return _encoded(upright_rgb(image))
    except BadImage:
        return None


def _encoded(image: Image.Image) -> str:
    stream = io.BytesIO()
    if max(image.size) <= SMALL:
        image.save(stream, "PNG")
        return data_uri(stream.getvalue(), "png")
    image.thumbnail((SIDE, SIDE))
    image.save(stream, "JPEG", quality=85)
    return data_uri(stream.getvalue(), "jpeg")


def drawn(draw: Callable[[Path], object]) -> str | None:
    """What a function draws into a PNG, as an address; None if it draws nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        draw(path)
        return data_uri(path.read_bytes(), "png") if path.is_file() else None


def draw_reliability(bins: Sequence[Bin]) -> str:
    """Accuracy over confidence, and below how many images have it.

    Args:
        bins: of equal width; those without an image are left out.
    """
    figure = Figure(figsize=(4.2, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    known = [b for b in bins if b.accuracy is not None]
    upper.plot([0, 1], [0, 1], color="0.7", linewidth=1, label="as sure as right")
    upper.plot(
        [b.confidence or 0.0 for b in known], [b.accuracy or 0.0 for b in known], marker="o",
        markersize=4, linewidth=1.2, label="the run",
    )  # fmt: skip
    upper.set(ylabel="share that is right", ylim=(-0.02, 1.02), xlim=(-0.02, 1.02))
    upper.grid(alpha=0.3)
    upper.legend(fontsize="small")
    width = bins[0].high - bins[0].low
    lower.bar([b.low for b in bins], [b.n for b in bins], width, align="edge", color="0.6")
    lower.set(xlabel="probability of the predicted class", ylabel="images")
    stream = io.BytesIO()
    figure.savefig(stream, dpi=110, format="png")
    return data_uri(stream.getvalue(), "png")
