"""One slot of the strong view: every image goes through its own operation, group by group.

LayerMatch, Table 7 (strong augmentation); RandAugment, Cubuk et al. 2020, Sec. 3. The groups are picked out
of the batch, processed and laid end to end; a group without images costs nothing.
"""

import torch

from usb_ext.augment.geometry import resample
from usb_ext.augment.ops import autocontrast_tables, contrast_tables, equalize_tables
from usb_ext.augment.plan import Slot
from usb_ext.functional.batch_filters import colour, sharpness
from usb_ext.functional.batch_gather import lookup


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
