"""ParameterUpdateHook: backward, clipping, optimizer, scheduler, without waiting for the device.

USB's ParamUpdateHook records CUDA events and synchronises twice a step.
"""

from typing import Any

import torch

from usb_ext.upstream.usb import Hook


class ParameterUpdateHook(Hook):  # type: ignore[misc]
    """One optimizer step from `out_dict["loss"]`; stateless."""

    def after_train_step(self, algorithm: Any) -> None:
        """Backward pass and update."""
        scaler = algorithm.loss_scaler
        scaler.scale(algorithm.out_dict["loss"]).backward()
        if algorithm.clip_grad > 0:
            scaler.unscale_(algorithm.optimizer)
            torch.nn.utils.clip_grad_norm_(algorithm.model.parameters(), algorithm.clip_grad)
        scaler.step(algorithm.optimizer)
        scaler.update()
        if algorithm.scheduler is not None:
            algorithm.scheduler.step()
        algorithm.model.zero_grad()
