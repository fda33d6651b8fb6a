"""The weak view's geometry: a shift by up to the padding, with mirrored borders, and a flip.

LayerMatch, Table 7 (weak augmentation) and FixMatch, Sec. 2: random horizontal flip and random
translation. USB pads by reflection and crops at random; padding is never made here, since the source
of row i after a shift by s is row i + s, folded back at the edges.
"""

import torch

from usb_ext.functional.batch_gather import gather_pixels


def reflect(position: torch.Tensor, length: int) -> torch.Tensor:
    """Positions folded into 0..length-1, edges not repeated: ... 2 1 | 0 1 2 | 1 0 ... (LayerMatch, Table 7).

    Args:
        position: integers of any sign and shape.
        length: in pixels, >= 1.

    Returns:
        Of the same type and shape.
    """
    if length == 1:
        return torch.zeros_like(position)
    period = 2 * (length - 1)
    folded = position.remainder(period)
    return torch.minimum(folded, period - folded)


def crop_lines(
    shift: torch.Tensor, flip: torch.Tensor, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Which row and column each row and column of the result is read from (LayerMatch, Table 7).

    Args:
        shift: (N, 2) integers, pixels downwards and rightwards in the source.
        flip: (N,) bool, mirror left and right after the shift.
        height: in pixels.
        width: in pixels.

    Returns:
        (N, H) and (N, W) int32.
    """
    row = torch.arange(height, dtype=torch.int32)
    column = torch.arange(width, dtype=torch.int32)
    column = torch.where(flip[:, None], width - 1 - column, column)
    shift = shift.to(torch.int32)
    return reflect(row + shift[:, :1], height), reflect(column + shift[:, 1:], width)


def crop(images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """The pixels at those rows and columns, one read for shift and flip (LayerMatch, Table 7).

    Args:
        images: (N, C, H, W), contiguous.
        rows: (N, H) int32, from `crop_lines`.
        columns: (N, W) int32, likewise.

    Returns:
        (N, C, H, W).
    """
    index = (rows * images.shape[3]).unsqueeze(2) + columns.unsqueeze(1)
    return gather_pixels(images, index)
