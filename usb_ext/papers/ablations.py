"""Rows of the papers' ablations in terms of our settings: what `names.py` has no list for.

AS3L, Tables 4, 5 and 7, and influence weighting, Table 3 and Sec. 4.3.
"""

import re

from usb_ext.papers.tables import PublishedNumber
from usb_ext.papers.wanted import Wanted

PRIOR = frozenset({"prior_label"})
LEARNED = frozenset({"influence"})

DRAWN = {"selection": ("random", "per_class")}
"""The paper says that labels of its baselines are drawn at random, and not whether evenly over classes."""

Row = tuple[str, frozenset[str], dict[str, object]]
"""Base, extensions, and what is required."""

AS3L_5: dict[str, Row] = {
    "Random": ("flexmatch", frozenset(), {**DRAWN}),
    "Random + PPL": ("flexmatch", PRIOR, {**DRAWN}),
    "Active": ("flexmatch", frozenset(), {"selection": "as3l"}),
    "Active + PPL": ("flexmatch", PRIOR, {"selection": "as3l"}),
}

AS3L_7: dict[str, Row] = {
    "Random": AS3L_5["Random"],
    "K-medoids": ("flexmatch", frozenset(), {"selection": "kmedoids"}),
    "Coreset": ("flexmatch", frozenset(), {"selection": "coreset"}),
    "Proposed": AS3L_5["Active + PPL"],
}
"""Random prints Table 5's number without prior pseudo-labels, Proposed the one with them; of the two others
neither the text nor a number says it."""

UNSAID = frozenset({"K-medoids", "Coreset"})

AS3L_4: dict[str, Row] = {
    "SelfMatch (w FixMatch-EMAN)": ("fixmatch_eman", frozenset(), {}),
    "Ours (w FixMatch-EMAN)": ("fixmatch_eman", PRIOR, {}),
}

INVERSES: dict[str, Row] = {
    "Ours (UDA)": ("uda", LEARNED, {"influence_inverse": ("auto", "exact")}),
    "Luketina et al. (identity as inverse Hessian)": (
        "uda", LEARNED, {"influence_inverse": "identity"},
    ),
    "Lorraine et al. (Neumann series)": (
        "uda", LEARNED, {"influence_inverse": "neumann", "influence_params": (None, "last_block")},
    ),
}  # fmt: skip
"""Sec. 4.3."""

ROWS: dict[str, dict[str, Row]] = {
    "as3l-4": AS3L_4,
    "as3l-5": AS3L_5,
    "as3l-7": AS3L_7,
    "influence-sec4.3": INVERSES,
}


def ablation(cell: PublishedNumber, required: dict[str, object]) -> Wanted | None:
    """The run that a cell of one of these tables asks for, None where it is none of them.

    Args:
        cell: any cell.
        required: what the words of its setting stand for.
    """
    if cell.table == "influence-3":
        return _steps_and_size(cell, required)
    row = ROWS.get(cell.table, {}).get(cell.method)
    if row is None:
        return None
    base, extensions, own = row
    optional = PRIOR if cell.method in UNSAID else frozenset()
    return Wanted((), base, extensions, {**required, **own}, optional=optional)


def _steps_and_size(cell: PublishedNumber, required: dict[str, object]) -> Wanted:
    """Table 3: N and eta."""
    found = re.fullmatch(r"N = (\d+), eta = ([\d.]+)", cell.setting)
    if found is None:
        raise ValueError(f"setting {cell.setting!r}")
    own: dict[str, object] = {"influence_every": int(found[1]), "influence_lr": float(found[2])}
    return Wanted((), "uda", LEARNED, {**required, **own})
