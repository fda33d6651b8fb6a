"""Cutout: one square of a fixed colour over each image, after the other operations.

LayerMatch, Table 7 (strong augmentation); FixMatch puts it last, too. The square is USB's, drawn by
Pillow's `rectangle` from corners that are not whole numbers: it is clipped at the upper left before
its size is added, at the lower right to the image, corners lose their fraction, and the last row and
column belong to it. So a square of side 0.1 still covers a pixel, and one of side 0 covers none.
"""

import numpy as np
import torch

# Red, green, blue, 0..255: about the mean colour of photographs.
COLOUR = torch.tensor([125, 123, 114], dtype=torch.uint8).view(1, 3, 1, 1)


def cutout_lines(
    size: torch.Tensor, centre: torch.Tensor, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Which rows and which columns the squares cover (LayerMatch, Table 7: Cutout).

    Args:
        size: (N,) float64 on the CPU, side as a share of the width; 0 covers nothing.
        centre: (N, 2) float64, x and y in pixels.
        height: of the images in pixels.
        width: of the images in pixels.

    Returns:
        (N, H) and (N, W) uint8, 255 where covered and 0 elsewhere.
    """
    side = size.numpy()[:, None] * width
    low = np.floor(np.maximum(centre.numpy() - side / 2, 0.0))
    high = np.where(side > 0, low + side, -1.0)
    lines = []
    for axis, length in ((1, height), (0, width)):
        position = np.arange(length, dtype=np.float64)
        covered = (position >= low[:, axis, None]) & (position <= high[:, axis, None])
        lines.append(torch.from_numpy(np.negative(covered, dtype=np.int8).view(np.uint8)))
    return lines[0], lines[1]


def paint(
    images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, colour: torch.Tensor
) -> torch.Tensor:
    """The colour where row and column are both covered (LayerMatch, Table 7: Cutout).

    In bitwise operations, which take 64 bytes at a time on a CPU; `where` takes one.

    Args:
        images: (N, 3, H, W) uint8.
        rows: (N, H) uint8, 255 or 0, from `cutout_lines`.
        columns: (N, W) uint8, likewise.
        colour: (1, 3, 1, 1) uint8, `COLOUR` on the images' device.

    Returns:
        (N, 3, H, W) uint8.
    """
    covered = (rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1)
    return (images ^ colour).bitwise_and_(covered).bitwise_xor_(images)
