"""What selection and propagation cost as the set grows (AS3L, Sec. 5.3; K to 60, C = 6).

Each size runs in a process of its own, so that its peak memory is its own. The features are a mixture
of Gaussians; their making is not timed, but their memory counts. On a CUDA device ImageNet's own
setting follows.
"""

import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Setting:
    """What is clustered for.

    Attributes:
        classes: of the mixture.
        labels: to choose.
        clusters: K of each run of seed K-means.
    """

    classes: int
    labels: int
    clusters: tuple[int, ...]


Size = tuple[int, int]
SIZES: tuple[Size, ...] = ((12_500, 128), (25_000, 128), (50_000, 128), (100_000, 128))
SLICE: tuple[Size, ...] = ((10_000, 2048), (20_000, 2048))
"""What a set of 1.28 million samples of 2048 numbers is judged by: cost grows with N d K."""
SMALL: tuple[Size, ...] = ((500, 16), (1000, 16))
CIFAR = Setting(10, 10, (10, 20, 30, 40, 50, 60))
IMAGENET = Setting(1000, 12_811, (1000, 2000, 3000, 4000, 5000, 6000))
"""One image in a hundred (Sec. 5.2), and K of 1 to 6 times the classes."""
SPREAD = 0.25
FULL = 1_280_000
"""Samples of ImageNet, for the projection."""


def bench_selection(
    small: bool, threads: int | None, say: Callable[[str], None], device: str = "cpu"
) -> dict[str, Any]:
    """Time and memory of each size.

    Args:
        small: two tiny sizes, to see that it works.
        threads: CPU threads, None for the libraries' own choice.
        say: told each row as it is measured.
        device: where samples are clustered.

    Returns:
        `rows`, one dict a size, and `table`, the same for a person.
    """
    spawn = multiprocessing.get_context("spawn")
    rows = []
    wanted: list[tuple[Any, ...]] = [
        (*size, threads, device) for size in (SMALL if small else (*SIZES, *SLICE))
    ]
    if device.startswith("cuda") and not small:
        wanted.append((FULL, 2048, threads, device, IMAGENET))
    for words in wanted:
        with spawn.Pool(1) as pool:
            rows.append(pool.apply(measure, words))
        say(_line(rows[-1]))
    lines = [_line(row) for row in rows]
    if rows[-1]["n"] != FULL:
        lines.append(_projection(rows[-1]))
    clusters = list(CIFAR.clusters)
    return {"clusters": clusters, "device": device, "rows": rows, "table": "\n".join(lines)}


def measure(
    count: int,
    width: int,
    threads: int | None = None,
    device: str = "cpu",
    setting: Setting = CIFAR,
) -> dict[str, float]:
    """Seconds of selection and propagation, of all cores together, and peak memory in MiB.

    Args:
        count: N.
        width: d.
        threads: CPU threads.
        device: where samples are clustered.
        setting: labels and clusters.
    """
    import torch

    from usb_ext.as3l.clustering.fine_tuning import Tuning, fine_features
    from usb_ext.as3l.propagate.seed_kmeans import seed_prior
    from usb_ext.as3l.select.as3l import select_as3l
    from usb_ext.core.runtime import limit_threads

    if threads is not None:
        limit_threads(threads)
    rng = np.random.default_rng(0)
    features, classes = mixture(count, width, rng, setting.classes)
    start, used, where = time.perf_counter(), time.process_time(), torch.device(device)
    fine = fine_features(features, setting.labels, 0, Tuning(), where)
    chosen, _ = select_as3l(fine, setting.labels, rng, device=where)
    middle = time.perf_counter()
    seed_prior(fine, chosen, classes[chosen], setting.classes, setting.clusters, rng, device=where)
    end = time.perf_counter()
    return {
        "n": count,
        "d": width,
        "select_s": round(middle - start, 3),
        "propagate_s": round(end - middle, 3),
        "total_s": round(end - start, 3),
        "cpu_s": round(time.process_time() - used, 3),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def mixture(
    count: int, width: int, rng: np.random.Generator, groups: int = CIFAR.classes
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Samples of overlapping Gaussians: features (N, d) and classes (N,).

    Args:
        count: N.
        width: d.
        rng: source of randomness.
        groups: how many.
    """
    centers = SPREAD * rng.standard_normal((groups, width), dtype=np.float32)
    classes = rng.integers(groups, size=count)
    features = rng.standard_normal((count, width), dtype=np.float32)
    features += centers[classes]
    return features, classes


def _line(row: dict[str, float]) -> str:
    return (
        f"{row['n']:8.0f} x {row['d']:<5.0f} select {row['select_s']:8.2f} s  propagate "
        f"{row['propagate_s']:8.2f} s  total {row['total_s']:8.2f} s  peak {row['peak_mb']:8.0f} MiB"
    )


def _projection(row: dict[str, float]) -> str:
    """What ImageNet would cost by the last row: time grows with N; four copies of the features are held."""
    hours = row["total_s"] * FULL / row["n"] / 3600
    gigabytes = 4 * FULL * row["d"] * 4 / 2**30
    return f"by the last row, {FULL} x {row['d']:.0f} takes {hours:.2f} h and {gigabytes:.0f} GiB"
