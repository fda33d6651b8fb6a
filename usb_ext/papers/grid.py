"""A paper's table as lines and columns of text, our numbers in a column beside the paper's.

Columns of ours stand only beside those columns of the paper in which something was run. The grid is
printed as text, Markdown or LaTeX; the notes stand below it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from usb_ext.core.tex import tex_row
from usb_ext.papers.placing import Ours, Placed
from usb_ext.papers.tables import PublishedNumber

SIGMAS = {"2 sigma": 2.0}
"""Standard deviations in a spread; ours: one where the paper's cell has no spread or says std."""

Column = tuple[str, str, str]


@dataclass(frozen=True)
class Grid:
    """A table to be printed.

    Attributes:
        title: what the table is, one line.
        header: of each column its lines, from the top; all columns have as many.
        body: rows of as many cells as there are columns.
        notes: lines to stand below it.
    """

    title: str
    header: list[tuple[str, ...]]
    body: list[list[str]]
    notes: list[str]


def make_grid(cells: Sequence[PublishedNumber], placed: Placed, notes: Sequence[str]) -> Grid:
    """Lay out a table.

    Args:
        cells: the cells of one table.
        placed: our runs in it.
        notes: lines to stand below it, after those on the marks.
    """
    columns = list(dict.fromkeys(_column(cell) for cell in cells))
    filled = {_column(cells[number]) for number in placed.ours}
    heads = ["method", "setting"] if any(cell.setting for cell in cells) else ["method"]
    marks = _marks(placed)
    header = [(*[""] * 3, name) for name in heads]
    for column in columns:
        header += [(*column, side) for side in _sides(column, filled)]
    at = {(_row(cell), _column(cell)): number for number, cell in enumerate(cells)}
    body = []
    for row in dict.fromkeys(_row(cell) for cell in cells):
        line = list(row[: len(heads)])
        for column in columns:
            line += _texts(cells, placed, at.get((row, column)), marks, column in filled)
        body.append(line)
    below = [f"[{mark}] {text}" for text, mark in marks.items()] + list(notes)
    return Grid(_title(cells), _telling(header, len(heads)), body, below)


def sigmas(cell: PublishedNumber) -> float:
    """How many standard deviations the spread of our number in a cell is."""
    return SIGMAS.get(cell.spread_kind, 1.0)


def our_text(cell: PublishedNumber, ours: Ours) -> str:
    """Our mean and spread with as many digits as the paper gives, and the number of runs.

    Args:
        cell: the cell.
        ours: what our runs give there; without spread where there is one run.
    """
    mean, _, spread = cell.printed.partition("±")
    text = f"{ours.values.mean:.{_digits(mean)}f}"
    half = ours.values.half_width(sigmas(cell))
    if half is not None:
        text += f"±{half:.{_digits(spread or mean)}f}"
    return text + (f" (n={ours.values.n})" if ours.seeds else "")


def _texts(
    cells: Sequence[PublishedNumber],
    placed: Placed,
    number: int | None,
    marks: dict[str, str],
    with_ours: bool,
) -> list[str]:
    """The paper's text, and ours where the column has one; both empty where there is no cell."""
    texts = ["" if number is None else cells[number].printed]
    if not with_ours:
        return texts
    if number is None or number not in placed.ours:
        return [*texts, ""]
    ours = placed.ours[number]
    mark = f" [{marks[ours.differs]}]" if ours.differs else ""
    return [*texts, our_text(cells[number], ours) + mark]


def _marks(placed: Placed) -> dict[str, str]:
    """A number for each text on what differs, in the order of the cells."""
    texts = [ours.differs for _, ours in sorted(placed.ours.items()) if ours.differs]
    return {text: str(number) for number, text in enumerate(dict.fromkeys(texts), start=1)}


def _column(cell: PublishedNumber) -> Column:
    labels = f"{cell.labels} labels" if cell.labels else ""
    unit = f" ({cell.unit})" if cell.unit not in ("", "1") else ""
    return cell.dataset, labels, cell.metric + unit


def _row(cell: PublishedNumber) -> tuple[str, str]:
    return cell.method, cell.setting


def _sides(column: Column, filled: set[Column]) -> list[str]:
    return ["paper", "ours"] if column in filled else ["paper"]


def _title(cells: Sequence[PublishedNumber]) -> str:
    kinds = dict.fromkeys(cell.spread_kind for cell in cells if cell.spread_kind)
    spread = f", mean ± {' or '.join(kinds)}" if kinds else ""
    metrics = dict.fromkeys(_column(cell)[2] for cell in cells)
    lines = zip(*dict.fromkeys(_column(cell)[:2] for cell in cells), strict=True)
    alone = "".join(f", {line[0]}" for line in lines if len(set(line)) == 1 and line[0])
    return f"{cells[0].table} ({cells[0].source}): {', '.join(metrics)}{spread}{alone}"


def _telling(header: list[tuple[str, ...]], names: int) -> list[tuple[str, ...]]:
    """Leave out lines that tell no column from another, but for the last: the title says them."""
    lines = list(zip(*header, strict=True))
    told = [line for line in lines[:-1] if len(set(line[names:])) > 1]
    return list(zip(*told, lines[-1], strict=True))


def _digits(number: str) -> int:
    return len(number.partition(".")[2])


NAMES = ("method", "setting", "selection", "propagation")
"""Headings of columns that hold names and no numbers."""


def as_text(grid: Grid) -> str:
    """Aligned columns: names to the left, numbers to the right."""
    lines = [list(line) for line in zip(*grid.header, strict=True)]
    rows = [*lines, *grid.body]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    names = _names(grid)

    def joined(row: list[str]) -> str:
        pairs = enumerate(zip(row, widths, strict=True))
        return "  ".join(t.ljust(w) if n < names else t.rjust(w) for n, (t, w) in pairs).rstrip()

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    table = [*map(joined, lines), rule, *map(joined, grid.body)]
    return "\n".join([grid.title, "", *table, *_below(grid)])


def as_markdown(grid: Grid) -> str:
    """One header line, since Markdown has no more."""
    heads = [" ".join(text for text in column if text) for column in grid.header]
    rule = ["---" if n < _names(grid) else "---:" for n in range(len(heads))]
    rows = [f"| {' | '.join(_barred(t) for t in row)} |" for row in (heads, rule, *grid.body)]
    return "\n".join([f"**{grid.title}**", "", *rows, *_below(grid)])


def as_latex(grid: Grid) -> str:
    """A `tabular`, which needs no package; the notes are comments."""
    columns = "".join("l" if n < _names(grid) else "r" for n in range(len(grid.header)))
    lines = [tex_row(line) for line in zip(*grid.header, strict=True)]
    table = ["\\hline", *lines, "\\hline", *map(tex_row, grid.body), "\\hline"]
    notes = [f"% {note}" for note in grid.notes]
    top = [f"% {grid.title}", f"\\begin{{tabular}}{{{columns}}}"]
    return "\n".join([*top, *table, "\\end{tabular}", *notes])


def _below(grid: Grid) -> list[str]:
    return ["", *grid.notes] if grid.notes else []


def _names(grid: Grid) -> int:
    """How many columns hold names."""
    return sum(column[-1] in NAMES for column in grid.header)


def _barred(text: str) -> str:
    return text.replace("|", "\\|")
