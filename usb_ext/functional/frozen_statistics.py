"""Batch norm with the statistics of one batch, held constant."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def frozen_statistics(module: nn.Module, run: Callable[[], object]) -> Iterator[None]:
    """Within, every batch norm uses the statistics that one batch gave it, as constants.

    In training mode the mean and variance of a batch tie its examples together, so there is no gradient
    of one example alone. Ren et al. (2020, Appendix B) take the statistics as constants; here they are
    found in one pass without gradient, layer by layer, each on the output of frozen ones.

    ours: the biased variance is taken, with which training mode normalises too.

    Args:
        module: the network; afterwards its modes and running statistics are what they were.
        run: passes the batch through it.
    """
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm)]
    before = [(m.training, m.running_mean, m.running_var) for m in norms]
    handles = [m.register_forward_pre_hook(_measure) for m in norms]
    try:
        for norm in norms:
            norm.eval()
        with torch.no_grad():
            run()
        for handle in handles:
            handle.remove()
        yield
    finally:
        for handle in handles:
            handle.remove()
        for norm, (training, mean, variance) in zip(norms, before, strict=True):
            norm.training, norm.running_mean, norm.running_var = training, mean, variance


def _measure(norm: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Put the mean and variance (C,) of the input (B, C, ...) where evaluation mode reads them."""
    x: torch.Tensor = inputs[0].detach()
    dims = [0, *range(2, x.ndim)]
    norm.running_var, norm.running_mean = torch.var_mean(x, dim=dims, correction=0)
