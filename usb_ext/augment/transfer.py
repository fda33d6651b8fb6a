"""Many small tensors to the device in one copy, without waiting for the device.

What a batch needs is drawn and worked out on the CPU (LayerMatch, Table 7 gives the recipe). Copied
one by one, a dozen small tensors cost a dozen launches, and each copy from ordinary memory makes the
host wait for the GPU. Here they are laid end to end in one buffer, in page-locked memory where the
device is a CUDA one, and the views are cut out again on the other side.
"""

from collections.abc import Sequence

import torch

_ALIGNMENT = 16  # bytes; a view of another type must begin at a multiple of its own item size


def pack(tensors: Sequence[torch.Tensor], pin: bool = False) -> torch.Tensor:
    """CPU tensors of any shapes (A,), (A, B), ... end to end: (bytes,) uint8, for LayerMatch, Table 7.

    Args:
        tensors: on the CPU.
        pin: put the buffer in page-locked memory, from which a copy does not block.
    """
    ends, total = [], 0
    for tensor in tensors:
        ends.append(total + tensor.nbytes)
        total = -(-ends[-1] // _ALIGNMENT) * _ALIGNMENT
    buffer = torch.empty(total, dtype=torch.uint8, pin_memory=pin)
    for tensor, end in zip(tensors, ends, strict=True):
        buffer[end - tensor.nbytes : end] = tensor.contiguous().flatten().view(torch.uint8)
    return buffer


def unpack(buffer: torch.Tensor, like: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The tensors of `pack` again, as views of the buffer (bytes,) uint8 (LayerMatch, Table 7).

    Args:
        buffer: what `pack` gave, on any device.
        like: tensors of the shapes and types that were packed, in that order.
    """
    found, start = [], 0
    for tensor in like:
        part = buffer[start : start + tensor.nbytes]
        found.append(part.view(tensor.dtype).view(tensor.shape))
        start += -(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT
    return found


def move_together(tensors: Sequence[torch.Tensor], device: torch.device) -> list[torch.Tensor]:
    """CPU tensors of any shapes (A,), (A, B), ... on the device; on the CPU they stay as they are.

    One copy whatever their number, for the recipe of LayerMatch, Table 7.
    """
    if device.type == "cpu":
        return list(tensors)
    on_cuda = device.type == "cuda"
    moved = pack(tensors, pin=on_cuda).to(device, non_blocking=on_cuda)
    return unpack(moved, tensors)
