"""What the forward pass of a weak/strong method yields, and the pass itself.

With `use_cat` the labelled, weak and strong rows go through the network as one batch, so batch norm
sees them together; without it (texts, audio) they go one after the other and the weak views carry no
gradient. Both are USB's orders, which dropout and batch-norm statistics depend on. Where a teacher labels the
weak views (FixMatch-EMAN, Cai et al., 2021) they do not go through the trained network at all.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from usb_ext.core.processes import gathered_rows, world
from usb_ext.methods.step.head_tap import HeadTap
from usb_ext.upstream.running import BatchNormSwitch

Inputs = torch.Tensor | dict[str, torch.Tensor]
Teacher = Callable[[Inputs], dict[str, torch.Tensor]]
"""From weak views (U, ...) to `{"logits": (U, C), "feat": (U, d)}`."""


@dataclass(frozen=True)
class Views:
    """Outputs on one batch: B labelled, U unlabelled examples, C classes, d features.

    Attributes:
        logits_lb: (B, C).
        logits_w: (U, C), weak views.
        logits_s: (U, C), strong views; the weak ones where a method has one view.
        feats: USB's `feat` of each part, as its imbalanced algorithms read them; always of this process.
        head_inputs_s: (U, d), what the classification layer got for the strong views; None unless
            tapped.
    """

    logits_lb: torch.Tensor
    logits_w: torch.Tensor
    logits_s: torch.Tensor
    feats: dict[str, torch.Tensor]
    head_inputs_s: torch.Tensor | None


def of_all_processes(views: Views, labelled: int, unlabelled: int) -> Views:
    """The outputs on the whole batch, of which each process has sent its share through the network.

    Args:
        views: outputs of this process's rows.
        labelled: B, labelled examples of all processes.
        unlabelled: U, unlabelled ones.

    Returns:
        Outputs of B and U rows, the same numbers in each process; the graph leads to its own rows. With one
        process the views as they are.
    """
    if world().size == 1:
        return views
    inputs = views.head_inputs_s
    return replace(
        views,
        logits_lb=gathered_rows(views.logits_lb, labelled),
        logits_w=gathered_rows(views.logits_w, unlabelled),
        logits_s=gathered_rows(views.logits_s, unlabelled),
        head_inputs_s=None if inputs is None else gathered_rows(inputs, unlabelled),
    )


def forward_together(
    model: nn.Module, x_lb: torch.Tensor, x_w: torch.Tensor, x_s: torch.Tensor, tap: HeadTap | None
) -> Views:
    """One pass over the concatenated batch (USB's `use_cat: True`).

    Args:
        model: network from (n, 3, H, W) to {"logits": (n, C), "feat": (n, d)}.
        x_lb: (B, 3, H, W) labelled images.
        x_w: (U, 3, H, W) weak views.
        x_s: (U, 3, H, W) strong views.
        tap: the tap on the head, or None.

    Returns:
        The outputs, cut into their parts.
    """
    n = x_lb.shape[0]
    announce(tap, n)
    outputs = model(torch.cat((x_lb, x_w, x_s)))
    logits_w, logits_s = outputs["logits"][n:].chunk(2)
    feat_w, feat_s = outputs["feat"][n:].chunk(2)
    feats = {"x_lb": outputs["feat"][:n], "x_ulb_w": feat_w, "x_ulb_s": feat_s}
    head_inputs = None if tap is None else tap.inputs()[n:].chunk(2)[1]
    return Views(outputs["logits"][:n], logits_w, logits_s, feats, head_inputs)


def forward_apart(
    model: nn.Module, x_lb: Inputs, x_w: Inputs, x_s: Inputs, tap: HeadTap | None
) -> Views:
    """Three passes: labelled, strong, weak without gradient (USB's `use_cat: False`).

    Args:
        model: network on one part at a time.
        x_lb: (B, ...) labelled inputs, or a dict of them.
        x_w: (U, ...) weak views.
        x_s: (U, ...) strong views.
        tap: the tap on the head, or None.

    Returns:
        The outputs of the three passes.
    """
    announce(tap, None)
    out_lb = model(x_lb)
    announce(tap, 0)
    out_s = model(x_s)
    head_inputs = None if tap is None else tap.inputs()
    with torch.no_grad():
        out_w = model(x_w)
    feats = {"x_lb": out_lb["feat"], "x_ulb_w": out_w["feat"], "x_ulb_s": out_s["feat"]}
    return Views(out_lb["logits"], out_w["logits"], out_s["logits"], feats, head_inputs)


def forward_one_view(
    model: nn.Module, x_lb: Inputs, x_w: Inputs, tap: HeadTap | None, bn_controller: BatchNormSwitch
) -> Views:
    """Two passes, labelled and weak, for a method whose weak view carries the loss itself.

    As in USB's Pseudo-Label the weak views are normalised by their own statistics but do not move the
    running ones.

    Args:
        model: network on one part at a time.
        x_lb: (B, ...) labelled inputs, or a dict of them.
        x_w: (U, ...) weak views; their outputs are labelled and learned, so they carry a gradient.
        tap: the tap on the head, or None.
        bn_controller: USB's, which keeps running statistics and puts them back.

    Returns:
        The outputs; the weak views' stand for the strong ones' too.
    """
    announce(tap, None)
    out_lb = model(x_lb)
    announce(tap, 0)
    bn_controller.freeze_bn(model)
    out_w = model(x_w)
    bn_controller.unfreeze_bn(model)
    head_inputs = None if tap is None else tap.inputs()
    feats = {"x_lb": out_lb["feat"], "x_ulb_w": out_w["feat"]}
    return Views(out_lb["logits"], out_w["logits"], out_w["logits"], feats, head_inputs)


def announce(tap: HeadTap | None, labelled_rows: int | None) -> None:
    """Tell the tap how many leading rows of the coming pass are labelled; None for all of them."""
    if tap is not None:
        tap.labelled_rows = labelled_rows


def forward_taught(
    model: nn.Module,
    teacher: Teacher,
    x_lb: Inputs,
    x_w: Inputs,
    x_s: Inputs,
    tap: HeadTap | None,
    cat: bool,
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
