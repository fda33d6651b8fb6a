"""Which prior pseudo-label belongs to which unlabelled image of a run (AS3L, Sec. 4.2)."""

from pathlib import Path
from typing import Any

import torch

from usb_ext.core.errors import SettingsError
from usb_ext.data.prepared import Prepared
from usb_ext.data.prior_file import prior_of


def prior_of_run(args: Any) -> torch.Tensor:
    """y_prior in the order of the run's unlabelled images.

    Args:
        args: the run's namespace; `args.parts.data` is its prepared data.

    Returns:
        Shape (U, C), float32, on the CPU.

    Raises:
        SettingsError: the images cannot be told apart, or the file is of another data set.
        DataMissing: no such file.
    """
    data: Prepared | None = getattr(getattr(args, "parts", None), "data", None)
    if data is None or data.positions is None or data.ids is None:
        raise SettingsError(
            f"prior_label cannot tell the unlabelled images of {args.dataset} apart, because USB splits "
            "it itself; put the images into class folders and use dataset: imagefolder"
        )
    values = prior_of(
        Path(args.prior_file),
        data.ids,
        data.positions,
        args.num_classes,
        data.classes,
        args.dataset,
    )
    return torch.from_numpy(values)
