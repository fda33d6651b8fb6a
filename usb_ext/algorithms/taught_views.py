"""The forward pass of a method whose weak views a teacher labels (FixMatch-EMAN, Cai et al., 2021)."""

from typing import Any

import torch

from usb_ext.methods.step.head_tap import HeadTap
from usb_ext.methods.step.views import Inputs, Views, announce


def forward_taught(
    model: Any, teacher: Any, x_lb: Inputs, x_w: Inputs, x_s: Inputs, tap: HeadTap | None, cat: bool
) -> Views:
    """The network on labelled and strong views, a teacher on the weak ones (FixMatch-EMAN).

    Args:
        model: network; its batch norm never sees a weak view.
        teacher: from weak views to `{"logits": (U, C), "feat": (U, d)}`, without a graph.
        x_lb: (B, ...) labelled inputs, or a dict of them.
        x_w: (U, ...) weak views.
        x_s: (U, ...) strong views.
        tap: the tap on the head, or None.
        cat: labelled and strong rows in one pass; else one after the other.

    Returns:
        The outputs; those of the weak views are the teacher's.
    """
    out_w = teacher(x_w)
    if cat:
        n = x_lb.shape[0]  # type: ignore[union-attr]
        announce(tap, n)
        both = model(torch.cat((x_lb, x_s)))  # type: ignore[arg-type]
        lb, s = (
            {k: both[k][rows] for k in ("logits", "feat")} for rows in (slice(n), slice(n, None))
        )
    else:
        n = 0
        announce(tap, None)
        lb = model(x_lb)
        announce(tap, 0)
        s = model(x_s)
    feats = {"x_lb": lb["feat"], "x_ulb_w": out_w["feat"], "x_ulb_s": s["feat"]}
    inputs = None if tap is None else tap.inputs()[n:]
    return Views(lb["logits"], out_w["logits"], s["logits"], feats, inputs)
