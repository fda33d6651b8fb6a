"""Several processes: whether there are, and what each learns from the others."""

import torch
import torch.distributed as dist

from usb_ext.upstream.running import Running
from usb_ext.upstream.usb import concat_all_gather


def several(algorithm: Running) -> bool:
    """Whether the run is spread over processes.

    Args:
        algorithm: the running algorithm; USB sets its `distributed` and `world_size`.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return False
    return bool(algorithm.distributed) and algorithm.world_size > 1


def gathered(algorithm: Running, values: torch.Tensor) -> torch.Tensor:
    """The rows of all processes in order of their ranks, as USB's hooks gather them.

    Args:
        algorithm: the running algorithm.
        values: (n, ...) this process's rows, as many in each process, without gradient.

    Returns:
        (P n, ...) for P processes; `values` itself where there is one.
    """
    if not several(algorithm):
        return values
    rows: torch.Tensor = concat_all_gather(values.contiguous())
    return rows


def mean_over_processes(algorithm: Running, values: torch.Tensor) -> torch.Tensor:
    """The mean over processes, the same bits in each, as gradients are averaged.

    Args:
        algorithm: the running algorithm.
        values: (...) of one shape in all processes, without gradient; may be changed in place.

    Returns:
        The mean, of the same shape; `values` itself where there is one process.
    """
    if several(algorithm):
        dist.all_reduce(values)
        values /= algorithm.world_size
    return values
