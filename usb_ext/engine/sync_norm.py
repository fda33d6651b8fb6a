"""Batch norm over the batch of all processes, on any device, as one process computes it.

torch's `SyncBatchNorm` takes CUDA tensors alone. Here every process tells the others the mean and variance of
its rows, and all normalise by those of the whole batch; the gradient goes through both. With one process, in
evaluation mode, and where a process works by itself (`processes.entered(ALONE)`) the layers are torch's own.
"""

import logging
from typing import Any

import torch
from torch import nn

from usb_ext.core.processes import rows_of_all, summed, world
from usb_ext.upstream.running import OnEngine

_log = logging.getLogger(__name__)


class _Normalised(torch.autograd.Function):
    """(x - mean) / sqrt(var + eps) * weight + bias, over the rows of all processes; and its gradient.

    With g the gradient of the loss of all rows, n their number and h the normalised values,
    dx = weight / sqrt(var + eps) (g - sum g / n - h sum(g h) / n), both sums over all processes. The
    gradients of weight and bias are this process's part, as those of every parameter are.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor | None,
        bias: torch.Tensor | None,
        eps: float,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of (n, C, ...) the normalised values, mean (C,), variance (C,) and how many numbers each has."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        axes = [axis for axis in range(x.ndim) if axis != 1]
        variance, mean = torch.var_mean(wide, axes, correction=0)
        count = mean.new_full((1,), wide.numel() / wide.shape[1])
        told = rows_of_all(torch.cat((count, mean, variance)).unsqueeze(0), world().size)
        counts, means, variances = told[:, :1], *told[:, 1:].chunk(2, dim=1)
        total = counts.sum()
        mean = (counts * means).sum(0) / total
        variance = (counts * (variances + (means - mean).square())).sum(0) / total
        shape = [1, -1, *[1] * (x.ndim - 2)]
        scale = torch.rsqrt(variance + eps).view(shape)
        normal = (wide - mean.view(shape)) * scale
        ctx.save_for_backward(normal, scale, weight, total)
        ctx.axes, ctx.shape, ctx.biased = axes, shape, bias is not None
        out = normal if weight is None else normal * weight.to(wide).view(shape)
        out = out if bias is None else out + bias.to(wide).view(shape)
        ctx.mark_non_differentiable(mean, variance, total)
        return out.to(x.dtype), mean, variance, total

    @staticmethod
    def backward(
        ctx: Any, *gradients: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None, None]:
        """Gradients of x (n, C, ...), and of weight and bias (C,) this process's part."""
        normal, scale, weight, total = ctx.saved_tensors
        given = gradients[0].to(normal.dtype)
        own = torch.stack((given.sum(ctx.axes), (given * normal).sum(ctx.axes)))
        to_bias, to_weight = own.unbind()
        every, along = (summed(own.clone()) / total).unbind()
        slope = given - every.view(ctx.shape) - normal * along.view(ctx.shape)
        if weight is not None:
            scale = scale * weight.to(normal).view(ctx.shape)
        return (
            (slope * scale).to(gradients[0].dtype),
            None if weight is None else to_weight.to(weight.dtype),
            to_bias.to(normal.dtype if weight is None else weight.dtype) if ctx.biased else None,
            None,
        )


class _Synchronised(nn.modules.batchnorm._BatchNorm):
    """A batch-norm layer whose training statistics are those of all processes."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(n, C, ...) to the same shape; the running statistics follow the whole batch, as torch's do."""
        if world().size == 1 or not (self.training or self.running_mean is None):
            return super().forward(input)
        self._check_input_dim(input)  # type: ignore[no-untyped-call]
        out, mean, variance, total = _Normalised.apply(input, self.weight, self.bias, self.eps)
        if self.training and self.track_running_stats:
            self._follow(mean, variance * (total / (total - 1)))
        found: torch.Tensor = out
        return found

    @torch.no_grad()
    def _follow(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        """Move the running statistics towards mean (C,) and unbiased variance (C,)."""
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        rate = self.momentum
        if rate is None:
            rate = 1.0 / float(self.num_batches_tracked or 1)
        for running, seen in ((self.running_mean, mean), (self.running_var, variance)):
            if running is not None:
                running.mul_(1 - rate).add_(seen.to(running.dtype), alpha=rate)


class SyncBatchNorm1d(_Synchronised, nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` over all processes."""


class SyncBatchNorm2d(_Synchronised, nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` over all processes."""


class SyncBatchNorm3d(_Synchronised, nn.BatchNorm3d):
    """`torch.nn.BatchNorm3d` over all processes."""


KINDS: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: SyncBatchNorm1d,
    nn.BatchNorm2d: SyncBatchNorm2d,
    nn.BatchNorm3d: SyncBatchNorm3d,
}


def synchronise(network: nn.Module) -> int:
    """Make a network's batch norm that of all processes; parameters and names stay what they are.

    Args:
        network: changed in place.

    Returns:
        How many layers were changed.
    """
    layers = [module for module in network.modules() if type(module) in KINDS]
    for layer in layers:
        layer.__class__ = KINDS[type(layer)]
    return len(layers)


def note_own_rows(algorithm: OnEngine) -> None:
    """Keep of how many processes each normalises its own rows, for with `sync_bn: false` that is a method.

    Args:
        algorithm: its `bn_processes` is given the number of this sitting, where it is another than before;
            that a run goes on on another number is said. Without batch norm, or with `sync_bn: true`, it
            stays empty.
    """
    kind, kept = nn.modules.batchnorm._BatchNorm, algorithm.bn_processes
    if algorithm.args.sync_bn or not any(isinstance(m, kind) for m in algorithm.model.modules()):
        return
    now = world().size
    if kept and kept[-1] != now:
        _log.warning(
            "sync_bn is false, so the number of processes decides how batch norm normalises: %d before, %d "
            "from here; the run is that of neither",
            *(kept[-1], now),
        )
    if kept[-1:] != [now]:
        kept.append(now)
