"""The learned weight of each unlabelled example, wherever a run has one."""

from typing import Any

import torch

WEIGHTING_HOOK = "InfluenceWeightingHook"
"""Name of the hook whose `weights` (N,) belong to the positions `idx_ulb`."""


def example_weights(algorithm: Any) -> torch.Tensor | None:
    """Weights (N,) of the N unlabelled examples by position, float32 on the CPU; None without such a hook.

    Args:
        algorithm: the running algorithm.
    """
    hook = algorithm.hooks_dict.get(WEIGHTING_HOOK)
    if hook is None:
        return None
    weights: torch.Tensor = hook.weights.detach().to("cpu", torch.float32, copy=True)
    return weights
