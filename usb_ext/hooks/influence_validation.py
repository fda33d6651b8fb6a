"""Validation batches, one an update: the V' of Algorithm 1 (Ren et al., 2020)."""

from collections.abc import Iterator
from typing import Any

import torch

from usb_ext.core.errors import SettingsError
from usb_ext.methods.influence.passes import Inputs


class ValidationBatches:
    """The batches of the loader `val`, from any number on.

    Batch k depends on the seed and on k alone (`data/batches.py`), so nothing but k has to be saved.
    """

    def __init__(self) -> None:
        self._batches: Iterator[Any] | None = None

    def batch(
        self, algorithm: Any, number: int, device: torch.device
    ) -> tuple[Inputs, torch.Tensor]:
        """Validation batch `number`, asked for in order: (V, ...) inputs and (V,) classes.

        Args:
            algorithm: the running algorithm with its loaders.
            number: updates so far.
            device: where the batch is wanted.

        Raises:
            SettingsError: no validation images.
        """
        if self._batches is None:
            loader = algorithm.loader_dict.get("val")
            if loader is None:
                raise SettingsError("influence needs validation images; set num_val, such as 100")
            loader.batch_sampler.start_iter = number
            self._batches = iter(loader)
        batch = next(self._batches)
        inputs, labels = batch["x_lb"], batch["y_lb"].to(device, non_blocking=True)
        if isinstance(inputs, dict):
            return {k: v.to(device, non_blocking=True) for k, v in inputs.items()}, labels
        return inputs.to(device, non_blocking=True), labels
