"""The table stage: a paper's table with our runs beside it, as text, Markdown, LaTeX or CSV."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from usb_ext.papers.found_runs import find_runs
from usb_ext.papers.grid import Grid, as_latex, as_markdown, as_text, make_grid, sigmas
from usb_ext.papers.placing import Placed, place
from usb_ext.papers.tables import PublishedNumber, read_table

FORMATS: dict[str, Callable[[Grid], str]] = {
    "text": as_text,
    "markdown": as_markdown,
    "latex": as_latex,
}
FIELDS = (
    *("method", "setting", "dataset", "labels", "network", "metric", "unit", "spread_kind"),
    *("paper_mean", "paper_spread", "paper_n", "ours_mean", "ours_spread", "ours_n", "ours_seeds"),
    "ours_differs",
)


@dataclass(frozen=True)
class Table:
    """What the stage gives.

    Attributes:
        text: the table, with its notes where the format can hold them.
        notes: the notes where it cannot (CSV).
    """

    text: str
    notes: list[str]


def table(
    name: str, places: Sequence[str], *, kind: str = "text", which: str = "paper", ddof: int = 1
) -> Table:
    """A paper's table with our runs' mean and spread beside it.

    Args:
        name: one of `usb_ext.published()`.
        places: run folders, folders above them, or glob patterns; none for the paper's table alone.
        kind: `text`, `markdown`, `latex` or `csv`.
        which: the weights that count: `paper`, `last`, `best` or `median20`.
        ddof: 1 for the sample's standard deviation, 0 for the population's.

    Raises:
        SettingsError: a table that is not there.
        DataMissing: a place without a run, or a run whose files cannot be read.
    """
    cells = read_table(name)
    placed = place(cells, find_runs(places), which, ddof)
    notes = _notes(cells, placed, which, ddof)
    if kind == "csv":
        return Table(_as_csv(cells, placed), notes)
    return Table(FORMATS[kind](make_grid(cells, placed, notes)), [])


def _notes(cells: list[PublishedNumber], placed: Placed, which: str, ddof: int) -> list[str]:
    """What a reader has to know: the paper's notes, how ours was made, and what is left out."""
    notes = [_paper_note(cells, note) for note in dict.fromkeys(c.note for c in cells if c.note)]
    ours = [o for o in placed.ours.values() if o.seeds]
    if ours:
        weights = "as the paper says, else the last" if which == "paper" else which
        divisor = "n - 1" if ddof else "n"
        notes.append(f"ours: weights {weights}; spread as the paper's, deviations over {divisor}")
        seeds = dict.fromkeys(" ".join(map(str, o.seeds)) for o in ours)
        notes.append(f"ours: seeds {' | '.join(seeds)}")
    if any(o.values.n == 1 for o in ours):
        notes.append("ours: n=1 is a single run and has no spread")
    for why in dict.fromkeys(placed.left_out.values()):
        paths = [str(path) for path, reason in placed.left_out.items() if reason == why]
        notes.append(f"left out: {', '.join(paths)}: {why}")
    return notes


def _paper_note(cells: list[PublishedNumber], note: str) -> str:
    """A note of the paper's, and the rows it is about where these are not all."""
    about = [cell for cell in cells if cell.note == note]
    rows = dict.fromkeys(f"{c.method}, {c.setting}".rstrip(", ") for c in about)
    if {cell.dataset for cell in about} == {"Average"}:
        rows = {"Average": None}
    return f"paper: {note}" if len(about) == len(cells) else f"paper: {note} ({'; '.join(rows)})"


def _as_csv(cells: list[PublishedNumber], placed: Placed) -> str:
    """One line a cell, numbers with all their digits."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, FIELDS, lineterminator="\n", restval="")
    writer.writeheader()
    for number, cell in enumerate(cells):
        row: dict[str, object] = {name: getattr(cell, name) for name in FIELDS[:8]}
        mean, _, spread = cell.printed.partition("±")
        row |= {"paper_mean": mean, "paper_spread": spread, "paper_n": cell.n}
        writer.writerow({**row, **_ours_csv(cell, placed, number)})
    return stream.getvalue()


def _ours_csv(cell: PublishedNumber, placed: Placed, number: int) -> dict[str, object]:
    if number not in placed.ours:
        return {}
    ours = placed.ours[number]
    half = ours.values.half_width(sigmas(cell))
    return {
        "ours_mean": round(ours.values.mean, 6),
        "ours_spread": None if half is None else round(half, 6),
        "ours_n": ours.values.n if ours.seeds else None,
        "ours_seeds": " ".join(map(str, ours.seeds)),
        "ours_differs": ours.differs,
    }
