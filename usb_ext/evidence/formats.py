"""A grid as text, Markdown or LaTeX; the notes stand below it."""

from usb_ext.core.tex import tex_row
from usb_ext.papers.grid import Grid

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
