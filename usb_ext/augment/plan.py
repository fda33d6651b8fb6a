"""From the draws to lists of who goes where: everything about a batch that needs no pixel.

The strong view (LayerMatch, Table 7) runs k slots one after the other. Within a slot the images are
sorted by operation, so that those that share a kernel lie side by side and are processed as one group;
the next slot reads them from where this one left them, and only the end restores the order. All that
sorting, and the numbers that the groups need, happen here on the CPU; the device gets them in one copy.

One slot of the strong view: every image goes through its own operation, group by group.

LayerMatch, Table 7 (strong augmentation); RandAugment, Cubuk et al. 2020, Sec. 3. The groups are picked out
of the batch, processed and laid end to end; a group without images costs nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt
import torch

from usb_ext.augment.draws import Op, StrongDraws
from usb_ext.augment.geometry import COLOUR, cutout_lines, resample, source_lines
from usb_ext.augment.ops import (
    autocontrast_tables,
    colour,
    contrast_tables,
    equalize_tables,
    fixed_tables,
    lookup,
    sharpness,
)
from usb_ext.augment.transfer import move_together

# Groups in the order in which their images lie; each is one piece of a slot's work.
GROUPS: dict[str, tuple[Op, ...]] = {
    "identity": (Op.IDENTITY,),
    "equalize": (Op.EQUALIZE,),
    "autocontrast": (Op.AUTO_CONTRAST,),
    "contrast": (Op.CONTRAST,),
    "fixed": (Op.BRIGHTNESS, Op.POSTERIZE, Op.SOLARIZE),
    "geometry": (Op.ROTATE, Op.SHEAR_X, Op.SHEAR_Y, Op.TRANSLATE_X, Op.TRANSLATE_Y),
    "colour": (Op.COLOUR,),
    "sharpness": (Op.SHARPNESS,),
}
_NAMES = list(GROUPS)
_GROUP_OF = np.array([next(i for i, n in enumerate(_NAMES) if op in GROUPS[n]) for op in Op])


@dataclass(frozen=True)
class Slot:
    """One of the k operations of n images, grouped (LayerMatch, Table 7).

    Attributes:
        spans: where each of `GROUPS` lies in the sorted order, as slices of 0..n.
        rows: (n,) int32, for each place in the sorted order the place where the last slot left the image.
        strength: (n,) float32, the magnitudes in the sorted order.
        tables: (F, 256) uint8, of the group `fixed`.
        lines: (G, 2 * (W + H)) int32, of the group `geometry`.
    """

    spans: dict[str, slice]
    rows: torch.Tensor
    strength: torch.Tensor
    tables: torch.Tensor
    lines: torch.Tensor


@dataclass(frozen=True)
class Plan:
    """All slots, the way back to the original order, and the squares of Cutout (LayerMatch, Table 7).

    Attributes:
        slots: k of them.
        restore: (n,) int32, where each image lies after the last slot.
        cutout: (n, H) and (n, W) uint8, 255 in the square, and its colour, (1, 3, 1, 1) uint8.
    """

    slots: list[Slot]
    restore: torch.Tensor
    cutout: list[torch.Tensor]


def _orders(
    groups: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], list[dict[str, slice]]]:
    """Sort each slot by group; `groups` is (k, n), indices into GROUPS.

    Returns:
        (k * n,), for each place of each slot s the image i, as s * n + i; (k + 1, n), for each place of
        each slot where the image lay before, and last where each image lies in the end; the spans.
    """
    k, n = groups.shape
    key = (groups + len(GROUPS) * np.arange(k)[:, None]).reshape(-1)
    order = key.argsort(kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(k * n)
    rows = np.concatenate((order[:n], place[order[n:] - n] % n, place[(k - 1) * n :] % n))
    counts = np.bincount(key, minlength=k * len(GROUPS)).reshape(k, -1).tolist()
    ends = [list(accumulate(row, initial=0)) for row in counts]
    spans = [{m: slice(*p) for m, p in zip(_NAMES, pairwise(e), strict=True)} for e in ends]
    return order, rows.reshape(k + 1, n), spans


def _per_slot(
    values: torch.Tensor, name: str, spans: Iterable[dict[str, slice]]
) -> list[torch.Tensor]:
    """Rows of `values`, of the group `name` in slot after slot, cut into slots."""
    return list(values.split_with_sizes([s[name].stop - s[name].start for s in spans]))


def make_plan(draws: StrongDraws, height: int, width: int, device: torch.device) -> Plan:
    """Sort the images of each slot into groups and prepare what the groups need.

    Args:
        draws: of n images, on the CPU.
        height: in pixels, at most 8192.
        width: in pixels, likewise.
        device: where the images are; LayerMatch, Table 7 is carried out there.
    """
    n, k = draws.ops.shape
    groups = _GROUP_OF[draws.ops.numpy().T]
    order, places, spans = _orders(groups)
    ops, strength = (t.T.reshape(-1)[order] for t in (draws.ops, draws.magnitudes))
    groups = groups.reshape(-1)[order]
    fixed, geometry = (np.flatnonzero(groups == _NAMES.index(g)) for g in ("fixed", "geometry"))
    rows, powers, tables, lines, *cutout = move_together(
        (
            torch.from_numpy(places.astype(np.int32)),
            strength.to(torch.float32).view(k, n),
            fixed_tables(ops[fixed], strength[fixed]),
            source_lines(ops[geometry], strength[geometry], height, width),
            *cutout_lines(draws.cutout_size, draws.cutout_centre, height, width),
            COLOUR,
        ),
        device,
    )
    by_slot = (_per_slot(tables, "fixed", spans), _per_slot(lines, "geometry", spans))
    parts = zip(spans, rows[:-1], powers, *by_slot, strict=True)
    return Plan([Slot(*part) for part in parts], rows[-1], cutout)


def _renamed(images: torch.Tensor, slot: Slot) -> torch.Tensor:
    """The four groups that work by tables: equalize, autocontrast, contrast, fixed, in this order."""
    levels = images.flatten(2).to(torch.int64)
    first = slot.spans["equalize"].start
    equalize, autocontrast, contrast = (
        slice(slot.spans[name].start - first, slot.spans[name].stop - first)
        for name in ("equalize", "autocontrast", "contrast")
    )
    made = []
    if equalize.stop > equalize.start:
        made.append(equalize_tables(levels[equalize]))
    if autocontrast.stop > autocontrast.start:
        made.append(autocontrast_tables(images[autocontrast]))
    if contrast.stop > contrast.start:
        strength = slot.strength[slot.spans["contrast"]]
        made.append(contrast_tables(images[contrast], strength).expand(-1, 3, -1))
    made.append(slot.tables.unsqueeze(1).expand(-1, 3, -1))
    return lookup(torch.cat(made), levels).view(images.shape)


def apply_slot(images: torch.Tensor, slot: Slot) -> torch.Tensor:
    """One operation on every image (LayerMatch, Table 7).

    Args:
        images: (n, 3, H, W) uint8, contiguous, in the order that the slot before left.
        slot: on the images' device.

    Returns:
        (n, 3, H, W) uint8, sorted by the groups of this slot.
    """
    span, rows = slot.spans, slot.rows
    done = [images.index_select(0, rows[span["identity"]])]
    chosen = images.index_select(0, rows[span["equalize"].start : span["fixed"].stop])
    if len(chosen):
        done.append(_renamed(chosen, slot))
    if len(slot.lines):
        done.append(resample(images.index_select(0, rows[span["geometry"]]), slot.lines))
    for name, filtered in (("colour", colour), ("sharpness", sharpness)):
        if span[name].stop > span[name].start:
            chosen = images.index_select(0, rows[span[name]])
            done.append(filtered(chosen, slot.strength[span[name]]))
    return torch.cat(done)
