"""A trained network by its settings and weights, without the folder of its run; picklable."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from usb_ext.engine.network import evaluated_network
from usb_ext.engine.state import random_state_kept
from usb_ext.settings import Settings, load_settings
from usb_ext.upstream.running import State

NEEDED = ("model", "ema_model", "it")
"""What of a checkpoint `evaluated_network` reads."""


@dataclass(eq=False)
class KeptNetwork:
    """What a run has learned, in memory; a pickle holds settings and weights and no class of USB's.

    Attributes:
        settings: of the run, resolved.
        state: of its checkpoint, `NEEDED`.
    """

    settings: Settings
    state: State
    _built: nn.Module | None = field(default=None, repr=False)

    @classmethod
    def of_checkpoint(cls, settings: Settings, state: Mapping[str, Any]) -> "KeptNetwork":
        """The network of a checkpoint.

        Args:
            settings: of its run.
            state: as `engine.checkpoint.read` gives it.
        """
        return cls(settings, {name: state[name] for name in NEEDED})

    def network(self, device: torch.device, dtype: torch.dtype = torch.float32) -> nn.Module:
        """From inputs (B, ...) to `{"logits": (B, K), ...}`, in evaluation mode; built once.

        Args:
            device: where it is wanted.
            dtype: of weights and inputs; float64 gives results that hang on no batch size.
        """
        if self._built is None:
            with random_state_kept():  # building draws weights, which are replaced
                self._built = evaluated_network(self.settings, self.state)
        return self._built.to(device=device, dtype=dtype)

    def __getstate__(self) -> dict[str, Any]:
        """Settings and weights."""
        return {"settings": self.settings.model_dump(mode="json"), "state": self.state}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        """Take back what `__getstate__` gave."""
        self.settings = load_settings(kept["settings"]).settings
        self.state, self._built = kept["state"], None
