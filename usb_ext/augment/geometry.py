"""Rotate, Shear and Translate: nearest neighbour, black outside, in Pillow's whole-number arithmetic.

LayerMatch, Table 7 (strong augmentation); RandAugment, Cubuk et al. 2020, Sec. 3. Pillow maps each pixel
of the result to a pixel of the source by an affine map: in units of 1/65536 pixel where the map turns
or shears, else (a translation) by adding 1.0 again and again in 64-bit floats. Both are sums of a part
that depends on the column and a part that depends on the row. The parts are worked out on the CPU,
exactly as Pillow does; what is left for the device is an addition of integers, a bounds check, a read.

The weak view's geometry: a shift by up to the padding, with mirrored borders, and a flip.

LayerMatch, Table 7 (weak augmentation) and FixMatch, Sec. 2: random horizontal flip and random
translation. USB pads by reflection and crops at random; padding is never made here, since the source
of row i after a shift by s is row i + s, folded back at the edges.

Cutout: one square of a fixed colour over each image, after the other operations.

LayerMatch, Table 7 (strong augmentation); FixMatch puts it last, too. The square is USB's, drawn by
Pillow's `rectangle` from corners that are not whole numbers: it is clipped at the upper left before
its size is added, at the lower right to the image, corners lose their fraction, and the last row and
column belong to it. So a square of side 0.1 still covers a pixel, and one of side 0 covers none.
"""

import math

import numpy as np
import numpy.typing as npt
import torch

from usb_ext.augment.draws import Op
from usb_ext.augment.ops import gather_pixels

Floats = npt.NDArray[np.float64]
MAX_SIDE = 8192  # pixels; coordinates of larger images need not fit 16 + 16 bits
_ONE = 65536.0


def _rotation(degrees: float, height: int, width: int) -> list[float]:
    """The six coefficients of a turn about the centre, rounded to 15 decimals as Pillow rounds them."""
    angle = -math.radians(degrees % 360.0)
    cos, sin = round(math.cos(angle), 15), round(math.sin(angle), 15)
    x, y = width / 2, height / 2
    return [cos, sin, cos * -x + sin * -y + x, -sin, cos, -sin * -x + cos * -y + y]


def affine_maps(
    ops: torch.Tensor, magnitudes: torch.Tensor, height: int, width: int
) -> torch.Tensor:
    """Where each pixel of a turned or sheared image comes from, as coefficients (LayerMatch, Table 7).

    Args:
        ops: (M,) int64 on the CPU, each Rotate (degrees), ShearX or ShearY (pixels per pixel).
        magnitudes: (M,) float64.
        height: in pixels.
        width: in pixels.

    Returns:
        (M, 6) float64, c: source x = c0 x + c1 y + c2 and source y = c3 x + c4 y + c5.
    """
    kind, strength = ops.numpy(), magnitudes.numpy()
    maps = np.tile(np.array([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]), (len(kind), 1))
    maps[:, 1] = np.where(kind == Op.SHEAR_X, strength, 0.0)
    maps[:, 3] = np.where(kind == Op.SHEAR_Y, strength, 0.0)
    turned = np.flatnonzero(kind == Op.ROTATE)
    # A loop over numbers, 2 us each: Python's own cos, sin and round are the ones that Pillow calls.
    if len(turned):
        maps[turned] = [_rotation(v, height, width) for v in strength[turned].tolist()]
    return torch.from_numpy(maps)


def _turned(c: Floats, lines: tuple[npt.NDArray[np.int32], ...], at: npt.NDArray[np.int64]) -> None:
    """Fill in `lines` of turned and sheared images: fixed point, rounded to the nearest 1/65536."""
    start = c[:, [2, 5]] + c[:, [0, 3]] * 0.5 + c[:, [1, 4]] * 0.5
    fixed = np.floor(np.concatenate((c[:, [0, 1, 3, 4]], start), axis=1) * _ONE + 0.5)
    x_by_column, x_by_row, y_by_column, y_by_row, x, y = fixed[:, :, None].transpose(1, 0, 2)
    row = np.arange(lines[1].shape[1], dtype=np.float64)
    column = np.arange(lines[0].shape[1], dtype=np.float64)
    lines[0][at] = x_by_column * column + x
    lines[1][at] = x_by_row * row
    lines[2][at] = y_by_column * column
    lines[3][at] = y_by_row * row + y


def _moved(shift: Floats, length: int) -> Floats:
    """Source positions in 1/65536 pixel of a shift in pixels: a rounded addition a pixel, cut off."""
    steps = np.ones((len(shift), length))
    steps[:, 0] = shift + 0.5
    position: Floats = np.floor(steps.cumsum(axis=1))
    return np.maximum(position, -1.0) * _ONE


def source_lines(
    ops: torch.Tensor, magnitudes: torch.Tensor, height: int, width: int
) -> torch.Tensor:
    """The maps' column and row parts in 1/65536 pixel (LayerMatch, Table 7).

    Args:
        ops: (M,) int64 on the CPU: as for `affine_maps`, or TranslateX, TranslateY (share of the side).
        magnitudes: (M,) float64.
        height: in pixels, at most 8192.
        width: in pixels, likewise.

    Returns:
        (M, 2 * (W + H)) int32, for `resample`: the columns' and the rows' parts of x, then those of y.

    Raises:
        ValueError: a side longer than 8192.
    """
    if max(height, width) > MAX_SIDE:
        raise ValueError(f"images are {height} x {width} pixels; at most {MAX_SIDE} a side")
    kind, strength = ops.numpy(), magnitudes.numpy()
    whole = np.zeros((len(kind), 2 * (width + height)), dtype=np.int32)
    lines = np.split(whole, np.cumsum((width, height, width)), axis=1)
    straight = (kind == Op.TRANSLATE_X) | (kind == Op.TRANSLATE_Y)
    at = np.flatnonzero(~straight)
    _turned(affine_maps(ops[at], magnitudes[at], height, width).numpy(), tuple(lines), at)
    at = np.flatnonzero(straight)
    along_x = kind[at] == Op.TRANSLATE_X
    lines[0][at] = _moved(np.where(along_x, strength[at] * width, 0.0), width)
    lines[3][at] = _moved(np.where(along_x, 0.0, strength[at] * height), height)
    return torch.from_numpy(whole)


def resample(images: torch.Tensor, lines: torch.Tensor) -> torch.Tensor:
    """The pixels that the maps point at, 0 where they point outside (LayerMatch, Table 7).

    Args:
        images: (M, C, H, W) uint8, contiguous.
        lines: (M, 2 * (W + H)) int32, from `source_lines`.

    Returns:
        (M, C, H, W) uint8.
    """
    height, width = images.shape[2:]
    x_column, x_row, y_column, y_row = lines.split_with_sizes((width, height, width, height), 1)
    x = (x_column.unsqueeze(1) + x_row.unsqueeze(2)).bitwise_right_shift_(16)
    y = (y_column.unsqueeze(1) + y_row.unsqueeze(2)).bitwise_right_shift_(16)
    # Negative exactly where one of the four is: the sign then fills the word, 0 or -1.
    outside = (x | y).bitwise_or_(width - 1 - x).bitwise_or_(height - 1 - y)
    inside = outside.bitwise_right_shift_(31).bitwise_not_()
    index = y.mul_(width).add_(x).bitwise_and_(inside)
    picked = gather_pixels(images, index)
    return picked.bitwise_and_(inside.to(torch.uint8).unsqueeze(1))


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
