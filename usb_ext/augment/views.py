"""The weak and the strong view of a batch, each image with its own draws, as a handful of operations.

LayerMatch, Table 7: the weak view is a shift and a flip, the strong view RandAugment (Cubuk et al. 2020,
Sec. 3) and Cutout on top of it, as in FixMatch. Given the same draws, each image comes out exactly as USB's
Pillow pipeline makes it, whatever else is in the batch; see the modules of the single operations.

Nothing here draws, loops over images, or waits for the device: `batch_draws` draws on the CPU,
`batch_plan` sorts on the CPU, and the images are touched by a few dozen kernels a slot.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from usb_ext.augment.draws import StrongDraws, WeakDraws
from usb_ext.augment.geometry import crop, crop_lines, paint
from usb_ext.augment.plan import apply_slot, make_plan
from usb_ext.augment.transfer import move_together

_Draws = TypeVar("_Draws", StrongDraws, WeakDraws)
# Bytes of images that a CPU works on at a time: 64-bit indices into much more would be given back to the
# system and mapped afresh at each step, which takes longer than the step (448 of 96 px: 110 ms, not 70).
_PART = 4 * 2**20


def _check(images: torch.Tensor, draws: int) -> None:
    """Colour images of 8 bits, as many as were drawn for."""
    if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] != 3:
        found = f"{images.dtype} of shape {tuple(images.shape)}"
        raise ValueError(f"images are {found}; wanted torch.uint8 of shape (n, 3, H, W)")
    if len(images) != draws:
        raise ValueError(f"{len(images)} images but draws for {draws}")


def _strong(images: torch.Tensor, draws: StrongDraws) -> torch.Tensor:
    """All slots, back into the original order, then Cutout."""
    # Without autograd's bookkeeping a small batch takes a seventh less; the result is an ordinary tensor.
    with torch.inference_mode():
        plan = make_plan(draws, images.shape[2], images.shape[3], images.device)
        images = images.contiguous()
        for slot in plan.slots:
            images = apply_slot(images, slot)
    return paint(images.index_select(0, plan.restore), *plan.cutout)


def _weak(images: torch.Tensor, draws: WeakDraws) -> torch.Tensor:
    """Shift and flip as one read."""
    lines = crop_lines(draws.shift, draws.flip, images.shape[2], images.shape[3])
    return crop(images.contiguous(), *move_together(lines, images.device))


def _in_parts(
    view: Callable[[torch.Tensor, _Draws], torch.Tensor], images: torch.Tensor, draws: _Draws
) -> torch.Tensor:
    """`view` of the batch; on a CPU in parts of `_PART` bytes."""
    n = len(images)
    step = max(1, _PART // images.shape[1:].numel()) if images.device.type == "cpu" else n
    if n <= step:
        return view(images, draws)
    starts = range(0, n, step)
    return torch.cat([view(images[i : i + step], draws.part(i, i + step)) for i in starts])


def strong_view(images: torch.Tensor, draws: StrongDraws) -> torch.Tensor:
    """RandAugment and Cutout, exactly as USB's on Pillow images (LayerMatch, Table 7).

    Args:
        images: (n, 3, H, W) uint8 on any device, of any memory format; usually weak views.
        draws: for n images, on the CPU.

    Returns:
        (n, 3, H, W) uint8, contiguous.

    Raises:
        ValueError: images of another type or shape, of another number than the draws, or of a side
            above 8192 pixels.
    """
    _check(images, len(draws.ops))
    return _in_parts(_strong, images, draws)


def weak_view(images: torch.Tensor, draws: WeakDraws) -> torch.Tensor:
    """Shift with mirrored borders, and flip, as torchvision's (LayerMatch, Table 7: weak).

    Args:
        images: (n, 3, H, W) uint8 on any device, of any memory format.
        draws: for n images, on the CPU.

    Returns:
        (n, 3, H, W) uint8, contiguous.

    Raises:
        ValueError: images of another type or shape, or of another number than the draws.
    """
    _check(images, len(draws.shift))
    return _in_parts(_weak, images, draws)


def normalise(
    images: torch.Tensor,
    mean: Sequence[float],
    std: Sequence[float],
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    """Levels to zero mean and unit variance, as torchvision's ToTensor and Normalize do.

    Args:
        images: (n, C, H, W) uint8, of any memory format, which is kept.
        mean: of the C channels, of pixels in 0..1; LayerMatch, Table 7 uses the data set's own.
        std: of the C channels, in the same unit, > 0.
        dtype: of the result; the arithmetic is in float32.

    Returns:
        Shape (n, C, H, W), of `dtype`.
    """
    # 255 as a tensor, too: CUDA divides by a plain number through its rounded reciprocal.
    rows = torch.tensor([[255.0] * len(mean), list(mean), list(std)], dtype=torch.float32)
    (moved,) = move_together([rows.view(3, -1, 1, 1)], images.device)
    return images.to(torch.float32).div_(moved[0]).sub_(moved[1]).div_(moved[2]).to(dtype)
