"""The nearest neighbours of a run's unlabelled images in a file of features (AS3L, Sec. 3)."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from usb_ext.core.errors import SettingsError
from usb_ext.data.features import read_features
from usb_ext.data.prepared import Prepared
from usb_ext.methods.as3l.consistency import nearest_others

MOST = 20_000
"""ours: of a larger unlabelled set so many images, evenly spaced, are compared with each other."""


def neighbours_of_run(args: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Which unlabelled images are compared, and their `consistency_k` nearest neighbours among them.

    Args:
        args: the run's namespace; `args.parts.data` is its prepared data.

    Returns:
        (n,) positions in the unlabelled set, and (n, k) places among those n, both on the CPU.

    Raises:
        SettingsError: the images cannot be told apart, the file is of another data set or lacks some of
            them, or there are too few for k neighbours.
        DataMissing: no such file, or no features in it.
    """
    path, data = Path(args.consistency_features), _prepared(args)
    features = read_features(path)
    what = f"consistency_features {path}"
    if features.dataset not in (None, args.dataset):
        raise SettingsError(f"{what} is of dataset {features.dataset}, the run's is {args.dataset}")
    rows = np.full(data.ids.count, -1, dtype=np.int64)
    rows[data.ids.positions(features.ids, what)] = np.arange(len(features.ids))
    served = rows[data.positions]
    if (served < 0).any():
        lacking = int((served < 0).sum())
        raise SettingsError(f"{what} lacks {lacking} of the {len(served)} unlabelled images")
    watched = np.unique(np.linspace(0, len(served) - 1, min(MOST, len(served))).astype(np.int64))
    if args.consistency_k >= len(watched):
        raise SettingsError(
            f"consistency_k is {args.consistency_k}, but there are {len(watched)} unlabelled images; use "
            f"at most {len(watched) - 1}"
        )
    values = torch.from_numpy(features.values[served[watched]]).to(args.parts.device)
    return torch.from_numpy(watched), nearest_others(values, args.consistency_k).cpu()


def _prepared(args: Any) -> Any:
    data: Prepared | None = getattr(getattr(args, "parts", None), "data", None)
    if data is None or data.positions is None or data.ids is None:
        raise SettingsError(
            f"consistency_features cannot tell the unlabelled images of {args.dataset} apart, because USB "
            "splits it itself; put the images into class folders and use dataset: imagefolder"
        )
    return data
