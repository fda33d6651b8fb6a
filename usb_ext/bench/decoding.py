"""What decoding costs: Pillow beside torchvision's decoder, and both beside images that are kept decoded.

JPEG files of a folder, or some that are made on the spot: smooth noise of 500 x 375 pixels, the usual size of
ImageNet's. Times are seconds that the one thread computes, so that other work on the machine hardly counts.
"""

import io
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg

from usb_ext.bench.cases import circumstances, over_turns
from usb_ext.core.errors import DataMissing, reason
from usb_ext.data.decode import BadImage, decode_file, opened, prepare_image, upright_rgb
from usb_ext.data.folder_scan import Listing
from usb_ext.data.image_cache import CacheFile, cache_file, cached
from usb_ext.data.image_files import images_below

WIDTH, HEIGHT, QUALITY = 500, 375, 90
SMOOTH = (4, 16, 64, 256)
"""Waves across the longer side of an image that is made."""
FULL = 1_281_167
"""Images of ImageNet's training set, for the projection."""
JPEG = (".jpg", ".jpeg")
Pixels = NDArray[np.uint8]


def bench_decode(
    folder: Path | None, count: int, size: int, repeats: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Time and compare both decoders, make a cache, and read it.

    Args:
        folder: JPEG files at any depth below it; None makes some.
        count: most files.
        size: side of the prepared images in pixels.
        repeats: turns; each image is decoded once a turn by each way.
        say: told what is done.

    Returns:
        Milliseconds an image by way (median, smallest and largest over turns), the largest difference of a
        pixel's values and the share that differs, bytes, the projection to ImageNet, and `table`.

    Raises:
        DataMissing: no JPEG file below `folder`, or one that cannot be decoded.
    """
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "images" if folder is None else folder
        if folder is None:
            say(f"making {count} JPEG files of {WIDTH} x {HEIGHT} pixels")
            make_files(source, count)
        paths = _jpeg_below(source, count)
        say(f"decoding {len(paths)} files to {size} px, {repeats} turns")
        times = _turns(_ways(paths, size), repeats)
        file = cache_file(Path(place) / "kept", source, _listing(source, paths), size)
        times |= _of_cache(file, repeats)
        report = {
            "files": len(paths),
            "img_size": size,
            "mean_bytes": round(statistics.mean(Path(p).stat().st_size for p in paths)),
            "cpu_ms_per_image": {
                name: over_turns([1000 * seconds / len(paths) for seconds in values])
                for name, values in times.items()
            },
            "difference": difference(paths),
            "bytes_per_image": file.bytes / len(paths),
            **circumstances(torch.device("cpu")),
        }
    return {**report, "table": _table(report)}


def make_files(folder: Path, count: int) -> None:
    """JPEG files of smooth noise, `0000.jpg` and so on.

    Args:
        folder: where they go; made.
        count: how many.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        pixels = np.full((HEIGHT, WIDTH, 3), 128.0)
        for waves in SMOOTH:
            coarse = rng.normal(0, 150 * waves**-0.7, (3, waves * HEIGHT // WIDTH + 1, waves + 1))
            planes = [Image.fromarray(plane.astype(np.float32)) for plane in coarse]
            filled = [p.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC) for p in planes]
            pixels += np.stack([np.asarray(plane) for plane in filled], axis=2)
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        image.save(folder / f"{number:04d}.jpg", quality=QUALITY)


def difference(paths: Sequence[str]) -> dict[str, float]:
    """How far torchvision's pixels are from Pillow's, before any resizing.

    Args:
        paths: JPEG files.

    Returns:
        `largest` difference of a value of 0 to 255, `share` of the values that differ, and `files` with any.
    """
    largest, differing, values, files = 0, 0, 0, 0
    for path in paths:
        with opened(path) as image:
            ours = np.asarray(upright_rgb(image), dtype=np.int16)
        gap = np.abs(ours - by_torchvision(path))
        largest, differing = max(largest, int(gap.max())), differing + int((gap > 0).sum())
        values, files = values + gap.size, files + bool(gap.any())
    return {"largest": largest, "share": differing / values, "files": files}


def by_torchvision(path: str) -> Pixels:
    """A JPEG file by torchvision's decoder, upright as its EXIF orientation says: (H, W, 3).

    Raises:
        DataMissing: it cannot be decoded.
    """
    data = torch.frombuffer(bytearray(Path(path).read_bytes()), dtype=torch.uint8)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # as of torchvision 0.29
            found = decode_jpeg(data, mode=ImageReadMode.RGB, apply_exif_orientation=True)
    except RuntimeError as error:
        raise DataMissing(f"torchvision cannot decode {path}: {reason(error)}") from error
    pixels: Pixels = found.permute(1, 2, 0).numpy()
    return pixels


def _jpeg_below(folder: Path, most: int) -> list[str]:
    """The first JPEG files below a folder, by name."""
    found = sorted(f.path for f in images_below(folder) if f.path.lower().endswith(JPEG))
    if not found:
        raise DataMissing(f"no JPEG file below {folder}; name a folder that has some with --images")
    return found[:most]


def _listing(folder: Path, paths: Sequence[str]) -> Listing:
    names = tuple(str(Path(path).relative_to(folder)) for path in paths)
    return Listing(names, (-1,) * len(names))


def _ways(paths: Sequence[str], size: int) -> dict[str, Callable[[], None]]:
    """Each way over all files."""

    def pillow() -> None:
        for path in paths:
            try:
                decode_file(path, size)
            except BadImage as error:
                raise DataMissing(f"cannot decode {path}: {error}; remove it") from error

    def torchvision() -> None:
        for path in paths:
            np.asarray(prepare_image(Image.fromarray(by_torchvision(path)), size))

    def pillow_alone() -> None:
        for path in paths:
            with Image.open(io.BytesIO(Path(path).read_bytes())) as image:
                np.asarray(image.convert("RGB"))

    def torchvision_alone() -> None:
        for path in paths:
            by_torchvision(path)

    return {
        "pillow": pillow,
        "torchvision": torchvision,
        "pillow, decoding alone": pillow_alone,
        "torchvision, decoding alone": torchvision_alone,
    }


def _turns(ways: dict[str, Callable[[], None]], repeats: int) -> dict[str, list[float]]:
    """CPU seconds of each way in each turn, after one that is not counted."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            started = time.process_time()
            way()
            if turn:
                found[name].append(time.process_time() - started)
    return found


def _of_cache(file: CacheFile, repeats: int) -> dict[str, list[float]]:
    """CPU seconds of making the file once, and of taking all images from it by chance in each turn."""
    started = time.process_time()
    mapped, _ = cached(file)
    made = time.process_time() - started
    order = np.random.default_rng(0).permutation(len(file.images))

    def take() -> None:
        for row in order:
            mapped.take(np.array([row]))

    return {"making the cache": [made], **_turns({"from the cache": take}, repeats)}


def _table(report: dict[str, Any]) -> str:
    gap, size = report["difference"], report["img_size"]
    lines = [
        f"{report['files']} files of {report['mean_bytes']} bytes on average, to {size} px; CPU ms an image"
    ]
    for name, values in report["cpu_ms_per_image"].items():
        lines.append(
            f"  {name:28s} {values['median']:8.3f}  ({values['min']:.3f}-{values['max']:.3f})"
        )
    lines.append(
        f"  torchvision - pillow: {gap['files']} files differ, {gap['share']:.2%} of the values, by "
        f"{gap['largest']} at most"
    )
    lines.append(_projection(report))
    return "\n".join(lines)


def _projection(report: dict[str, Any]) -> str:
    """What ImageNet would take, by these files."""
    hours = report["cpu_ms_per_image"]["making the cache"]["median"] * FULL / 3.6e6
    gigabytes = report["bytes_per_image"] * FULL / 1e9
    return (
        f"by these files, {FULL} images take {gigabytes:.1f} GB and {hours:.2f} CPU hours to make"
    )
