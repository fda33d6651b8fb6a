"""Weights of unlabelled examples in a file: `.npz` with `index`, `weight`, `dataset`, `n`."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from usb_ext.core.errors import DataMissing, SettingsError, reason
from usb_ext.upstream.running import Arguments

NEEDED = ("index", "weight", "dataset", "n")
SPLIT = ("label_split", "label_seed", "num_labels", "num_val", "include_lb_to_ulb")
"""Settings that say what a position means; a file that names one of them must agree with the run."""


def read_weights(path: Path, args: Arguments, n: int, largest: float) -> torch.Tensor:
    """One weight for each unlabelled example, shape (n,) float32; 1 where the file names none.

    Args:
        path: the file; `index` (m,) positions in the unlabelled set, `weight` (m,), the data set's
            name and the number n of its unlabelled examples. ours: `label_seed` and other settings of
            `SPLIT` may stand in it too, and are compared.
        args: the run's namespace.
        n: unlabelled examples of the run.
        largest: largest weight allowed; infinity for no bound.

    Raises:
        DataMissing: no such file.
        SettingsError: no such table, or one of another data set, split or range.
    """
    table = _load(path)
    dataset, count = str(table["dataset"]), str(table["n"])
    if (dataset, count) != (args.dataset, str(n)):
        raise SettingsError(
            f"influence_weights_file {path} is of {dataset} with {count} unlabelled examples, but this "
            f"run has {args.dataset} with {n}; give the file of a run on the same split, or leave it out"
        )
    for name in SPLIT:
        if name in table and str(table[name]) != str(getattr(args, name)):
            raise SettingsError(
                f"influence_weights_file {path} was made with {name} {table[name]}, but this run has "
                f"{getattr(args, name)}; its positions mean other examples"
            )
    index, weight = table["index"], table["weight"]
    _check_table(path, index, weight, n, largest)
    weights = torch.ones(n)
    weights[torch.from_numpy(index)] = torch.from_numpy(weight)
    return weights


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            table = {name: file[name] for name in file.files}
        for name, kind in (("index", np.int64), ("weight", np.float32)):
            if name in table:
                table[name] = table[name].astype(kind)
    except FileNotFoundError as error:
        raise DataMissing(f"influence_weights_file is {path}: no such file") from error
    except (OSError, ValueError, TypeError, BadZipFile, EOFError) as error:
        raise SettingsError(
            f"influence_weights_file {path} is no .npz of arrays ({reason(error)})"
        ) from error
    if missing := [name for name in NEEDED if name not in table]:
        raise SettingsError(
            f"influence_weights_file {path} lacks {', '.join(missing)}; it needs {', '.join(NEEDED)}"
        )
    return table


def _check_table(path: Path, index: np.ndarray, weight: np.ndarray, n: int, largest: float) -> None:
    """Positions (m,) from 0 to n - 1, each once, and weights (m,) in range."""
    name = f"influence_weights_file {path}"
    if index.ndim != 1 or index.shape != weight.shape:
        raise SettingsError(f"{name}: index {index.shape} and weight {weight.shape} do not match")
    if len(index) and not 0 <= index.min() <= index.max() < n:
        raise SettingsError(
            f"{name}: positions run from {index.min()} to {index.max()}; allowed: 0 to {n - 1}"
        )
    if len(np.unique(index)) < len(index):
        raise SettingsError(f"{name}: a position stands twice in index; give each once")
    if not (np.isfinite(weight).all() and (weight >= 0).all() and (weight <= largest).all()):
        raise SettingsError(f"{name}: weights must be numbers from 0 to {largest:g}")
