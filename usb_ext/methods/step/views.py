"""What the forward pass of a weak/strong method yields, and the pass itself.

With `use_cat` the labelled, weak and strong rows go through the network as one batch, so batch norm
sees them together; without it (texts, audio) they go one after the other and the weak views carry no
gradient. Both are USB's orders, which dropout and batch-norm statistics depend on. Where a teacher labels the
weak views (FixMatch-EMAN, Cai et al., 2021) they do not go through the trained network at all.

Where rows do not change each other the weak views can go without a graph, and the strong ones after them,
those alone that have a weight (`savings.py` decides): other passes, the same numbers up to rounding.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from usb_ext.core.processes import gathered_rows, world
from usb_ext.methods.step.head_tap import HeadTap
from usb_ext.methods.step.row_noise import Index, RowNoise
from usb_ext.upstream.running import BatchNormSwitch

Inputs = torch.Tensor | dict[str, torch.Tensor]
Teacher = Callable[[Inputs], dict[str, torch.Tensor]]
"""From weak views (U, ...) to `{"logits": (U, C), "feat": (U, d)}`."""


def taken(x: Inputs, rows: Index) -> Inputs:
    """Some rows of inputs (n, ...), or of each of a dict of them.

    Args:
        x: the inputs.
        rows: their places.
    """
    return {k: v[rows] for k, v in x.items()} if isinstance(x, dict) else x[rows]


def count(x: Inputs) -> int:
    """n of inputs (n, ...), or of a dict of them."""
    return len(next(iter(x.values()))) if isinstance(x, dict) else len(x)


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


def strong_of_all_processes(views: Views, unlabelled: int) -> Views:
    """What the network says of all strong views, where each process has completed its own.

    Args:
        views: the strong outputs are of this process's rows, all others of the whole batch.
        unlabelled: U, strong views of all processes.
    """
    inputs = views.head_inputs_s
    return replace(
        views,
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


def forward_weak_apart(
    model: nn.Module,
    x_lb: torch.Tensor,
    x_w: torch.Tensor,
    x_s: torch.Tensor,
    tap: HeadTap | None,
    noise: RowNoise,
) -> Views:
    """`forward_together` with the weak views in a pass of their own, without a graph.

    Args:
        model: network whose rows do not change each other.
        x_lb: (B, 3, H, W) labelled images.
        x_w: (U, 3, H, W) weak views.
        x_s: (U, 3, H, W) strong views.
        tap: the tap on the head, or None.
        noise: of the network's noisy layers.
    """
    n, u = len(x_lb), len(x_w)
    noise.begin(n + 2 * u)
    places = torch.arange(n + 2 * u, device=x_lb.device)
    announce(tap, n)
    with noise.rows(torch.cat((places[:n], places[n + u :]))):
        both = model(torch.cat((x_lb, x_s)))
    inputs = None if tap is None else tap.inputs()[n:]
    with noise.rows(slice(n, n + u)), torch.no_grad():
        weak = model(x_w)
    noise.end()
    feats = {"x_lb": both["feat"][:n], "x_ulb_w": weak["feat"], "x_ulb_s": both["feat"][n:]}
    return Views(both["logits"][:n], weak["logits"], both["logits"][n:], feats, inputs)


def forward_before_strong(
    model: nn.Module,
    teacher: Teacher | None,
    x_lb: Inputs,
    x_w: Inputs,
    tap: HeadTap | None,
    noise: RowNoise,
    *,
    weak_graph: bool,
) -> Views:
    """The labelled rows and the weak views; what is said of the strong ones is NaN until `with_strong`.

    Args:
        model: network whose rows do not change each other.
        teacher: what labels the weak views in its place, or None.
        x_lb: (B, ...) labelled inputs, or a dict of them.
        x_w: (U, ...) weak views.
        tap: the tap on the head, or None.
        noise: of the network's noisy layers.
        weak_graph: whether a loss goes back through the weak views; images alone can have one.
    """
    n, u = count(x_lb), count(x_w)
    noise.begin(n + u * (2 if teacher is None else 1))
    if weak_graph:
        announce(tap, n)
        with noise.rows(slice(n + u)):
            both = model(torch.cat((x_lb, x_w)))  # type: ignore[arg-type]
        lb, weak = ({k: both[k][rows] for k in KEYS} for rows in (slice(n), slice(n, None)))
    else:
        announce(tap, None)
        with noise.rows(slice(n)):
            lb = model(x_lb)
        with noise.rows(slice(n, n + u)), torch.no_grad():
            weak = model(x_w) if teacher is None else teacher(x_w)
    unknown = {k: _rows_like(lb[k], u).fill_(torch.nan) for k in KEYS}
    feats = {"x_lb": lb["feat"], "x_ulb_w": weak["feat"], "x_ulb_s": unknown["feat"]}
    return Views(lb["logits"], weak["logits"], unknown["logits"], feats, None)


KEYS = ("logits", "feat")
"""What a network says of a row."""


def with_strong(
    model: nn.Module,
    views: Views,
    x_s: Inputs,
    rows: torch.Tensor,
    tap: HeadTap | None,
    noise: RowNoise,
) -> Views:
    """Complete what `forward_before_strong` gave by a pass over some of the strong views.

    Args:
        model: the network.
        views: of this process.
        x_s: (U, ...) its strong views, or a dict of them.
        rows: (k,) places in them, ascending; every other row's outputs are 0, without a graph.
        tap: the tap on the head, or None.
        noise: of the network's noisy layers, as the first passes left it.
    """
    u, before = count(x_s), noise.total - count(x_s)
    some: dict[str, torch.Tensor] = {}
    inputs = None
    if len(rows):
        announce(tap, 0)
        everything = len(rows) == u
        with noise.rows(rows + before):
            some = model(x_s if everything else taken(x_s, rows))
        inputs = None if tap is None else tap.inputs()
    noise.end()
    known = {"logits": views.logits_lb, "feat": views.feats["x_lb"]}
    found = {k: _spread(some.get(k), rows, u, known[k]) for k in KEYS}
    if tap is not None:
        found["inputs"] = _spread(inputs, rows, u, tap.inputs())
    feats = {**views.feats, "x_ulb_s": found["feat"]}
    return replace(views, logits_s=found["logits"], feats=feats, head_inputs_s=found.get("inputs"))


def _spread(
    some: torch.Tensor | None, rows: torch.Tensor, total: int, like: torch.Tensor
) -> torch.Tensor:
    """(total, ...) with some (k, ...) at their places and 0 elsewhere; 0 without a graph where k is 0."""
    if some is None:
        return _rows_like(like, total)
    if len(some) == total:
        return some
    return _rows_like(some, total).index_copy(0, rows, some)


def _rows_like(like: torch.Tensor, total: int) -> torch.Tensor:
    """Zeros (total, ...) of the width of rows (n, ...)."""
    return like.new_zeros((total, *like.shape[1:]))


def rows_with_weight(weights: torch.Tensor, sizes: list[int], *, exact: bool) -> list[torch.Tensor]:
    """Places of the rows that have to run, for each process in its own share.

    Args:
        weights: (U,) weights of the whole batch.
        sizes: how many rows each process has; they sum to U.
        exact: those alone; else as many as the next quarter of a share, so that a pass has few sizes, the
            further ones being rows whose weight is 0.

    Returns:
        (k,) ascending places for each process. How many there are is read from the device.
    """
    found = []
    for part in torch.split(weights.detach() != 0, sizes):
        if exact:
            found.append(part.nonzero().squeeze(1))
            continue
        quarter = max(1, -(-len(part) // 4))
        size = min(len(part), -(-int(part.sum()) // quarter) * quarter)
        first = torch.argsort(part, descending=True, stable=True)[:size]
        found.append(first.sort().values)
    return found
