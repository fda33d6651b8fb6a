"""A self-supervised view of a batch: crop, flip, jitter, grey, as a handful of operations.

SimSiam (Chen & He, 2021, App. A), whose features AS3L starts from (Sec. 5.1.2). Nothing here draws, loops
over images or waits for the device: `ssl_draws` draws on the CPU, which image meets which operation is
sorted there too, and everything is sent to the device in one copy.
"""

import torch

from usb_ext.augment.self_supervised import NEUTRAL, adjust, to_grey
from usb_ext.augment.transfer import move_together
from usb_ext.functional.batch_resized_crop import resized_crop
from usb_ext.functional.ssl_draws import ViewDraws


def self_supervised_view(images: torch.Tensor, draws: ViewDraws) -> torch.Tensor:
    """One view of each image (SimSiam, App. A), as torchvision makes it on floating-point tensors.

    Args:
        images: (N, 3, H, H) uint8 on any device.
        draws: for n images, on the CPU.

    Returns:
        (N, 3, H, H) float32 in [0, 1], on the images' device.

    Raises:
        ValueError: images of another type or shape, or of another number than the draws.
    """
    if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] != 3:
        found = f"{images.dtype} of shape {tuple(images.shape)}"
        raise ValueError(f"images are {found}; wanted torch.uint8 of shape (n, 3, H, H)")
    if len(images) != len(draws.boxes):
        raise ValueError(f"{len(images)} images but draws for {len(draws.boxes)}")
    plan = _plan(draws)
    fixed = [draws.boxes, draws.flip, draws.grey]
    parts = [t for _, rows, factor in plan for t in (rows, factor)]
    boxes, flip, grey, *moved = move_together([*fixed, *parts], images.device)
    view = resized_crop(images.float() / 255, boxes, flip)
    for (op, _, _), rows, factor in zip(plan, moved[::2], moved[1::2], strict=True):
        view.index_copy_(0, rows, adjust(view.index_select(0, rows), op, factor))
    return to_grey(view, grey) if draws.grey.any() else view


def _plan(draws: ViewDraws) -> list[tuple[int, torch.Tensor, torch.Tensor]]:
    """The jitter in steps: operation, which images (m,) it meets then, and by how much (m,).

    An operation that changes nothing (strength 0) is left out.
    """
    steps = []
    for slot in range(draws.order.shape[1]):
        for op, neutral in enumerate(NEUTRAL):
            chosen = draws.jittered & (draws.order[:, slot] == op)
            chosen &= draws.factors[:, op] != neutral
            rows = chosen.nonzero().squeeze(1)
            if len(rows):
                steps.append((op, rows, draws.factors[rows, op]))
    return steps
