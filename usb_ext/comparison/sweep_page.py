"""What is written about a sweep: its table, its runs as CSV, and a heat map where the grid has two axes."""

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from usb_ext.comparison.page import markdown
from usb_ext.comparison.statistics import mean_and_spread
from usb_ext.comparison.sweep import OUTPUTS
from usb_ext.comparison.tables import NONE, Table, number
from usb_ext.core.files import replace_file, write_json, write_text
from usb_ext.core.outputs import claim_outputs

KINDS = {"validation": "error (%) on validation images", "test": "error (%) of the last checkpoint"}


def write_sweep(report: Mapping[str, Any], out: Path) -> None:
    """`sweep.json`, `.md`, `.csv`, and with two axes `.png` and `.svg`.

    Args:
        report: from `sweep.sweep_asked`.
        out: the comparison's folder, which exists.
    """
    claim_outputs(out, OUTPUTS)
    write_json(out / "sweep.json", report)
    picture = draw(report, out / "sweep")
    write_text(
        out / "sweep.md", page_of(report) + ("\n![heat map](sweep.png)\n" if picture else "")
    )
    write_text(out / "sweep.csv", as_csv(report))


def page_of(report: Mapping[str, Any]) -> str:
    """The sweep as Markdown: the best cell, the tables, what is missing.

    Args:
        report: from `sweep.sweep_asked`, also without its page.
    """
    lines = ["# Sweep", "", *_best(report), ""]
    kinds = [kind for kind in KINDS if any(cell[kind] for cell in report["cells"])]
    if len(report["axes"]) == 2:
        lines += [markdown(_crossed(report, kind)) for kind in kinds]
    else:
        lines.append(markdown(_listed(report, kinds)))
    for cell in report["cells"]:
        if cell["missing"]:
            lines.append(
                f"- {cell['label']}: no run that can be used for seed {', '.join(cell['missing'])}"
            )
    return "\n".join([*lines, f"- command: {report['command']}", ""])


def _best(report: Mapping[str, Any]) -> list[str]:
    """Which cell is best, and on what it was chosen."""
    chosen = f"Chosen on {report['chosen_on']}."
    if report["best"] is None:
        return [chosen, "No cell is named best."]
    best = next(cell for cell in report["cells"] if cell["label"] == report["best"])
    return [
        f"Best cell: **{best['label']}**, {_told(best['validation'])} % error on validation images, "
        f"{_told(best['test'])} % of the last checkpoint as a comparison has it. {chosen}"
    ]


def _told(errors: Mapping[str, float]) -> str:
    """Mean and standard deviation (over n - 1) of errors by seed."""
    if not errors:
        return NONE
    found = mean_and_spread(list(errors.values()))
    return number(found.mean) + ("" if found.std is None else f" ± {number(found.std)}")


def _crossed(report: Mapping[str, Any], kind: str) -> Table:
    """Two axes: the first down, the second across."""
    (first, rows), (second, columns) = report["axes"].items()
    cells = {tuple(cell["values"]): _told(cell[kind]) for cell in report["cells"]}
    table = [[row, *(cells[row, column] for column in columns)] for row in rows]
    return Table(KINDS[kind], [f"{first} \\ {second}", *columns], table, note=_note(report))


def _listed(report: Mapping[str, Any], kinds: Sequence[str]) -> Table:
    """Any number of axes: a row a cell."""
    header = [*report["axes"], *(KINDS[kind] for kind in kinds), "runs"]
    rows = [
        [*cell["values"], *(_told(cell[kind]) for kind in kinds), str(len(cell["test"]))]
        for cell in report["cells"]
    ]
    return Table("Cells", header, rows, note=_note(report))


def _note(report: Mapping[str, Any]) -> str:
    runs = sorted({len(cell["test"]) for cell in report["cells"]})
    counts = " or ".join(map(str, runs))
    return f"mean ± standard deviation (over n - 1) of {counts} runs a cell"


def as_csv(report: Mapping[str, Any]) -> str:
    """A row a run: the axes, the seed, errors in percent; empty where there is none."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*report["axes"], "seed", "error_validation", "error_last"])
    for cell in report["cells"]:
        for seed in [*cell["test"], *cell["missing"]]:
            errors = [cell[kind].get(seed, "") for kind in ("validation", "test")]
            writer.writerow([*cell["values"], seed, *errors])
    return stream.getvalue()


def draw(report: Mapping[str, Any], stem: Path) -> list[Path]:
    """The heat map of a grid with two axes, of the errors that choose or, without such, of the test split.

    Args:
        report: from `sweep.sweep_asked`.
        stem: path without ending.

    Returns:
        The files written; none with another number of axes, or without a run.
    """
    kind = "validation" if any(cell["validation"] for cell in report["cells"]) else "test"
    if len(report["axes"]) != 2 or not any(cell[kind] for cell in report["cells"]):
        return []
    (first, rows), (second, columns) = report["axes"].items()
    size = (max(4.0, 1.8 + 1.1 * len(columns)), max(2.8, 1.4 + 0.6 * len(rows)))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    means = {tuple(cell["values"]): _mean(cell[kind]) for cell in report["cells"]}
    grid = np.array([means[pair] for pair in product(rows, columns)]).reshape(
        len(rows), len(columns)
    )
    image = axes.imshow(np.ma.masked_invalid(grid), cmap="viridis_r", aspect="auto")
    _write_means(axes, grid)
    if report["best"] is not None:
        best = next(cell["values"] for cell in report["cells"] if cell["label"] == report["best"])
        corner = columns.index(best[1]) - 0.5, rows.index(best[0]) - 0.5
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, ec="C3", lw=2.5))
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel=second, ylabel=first, title=KINDS[kind])
    figure.colorbar(image, ax=axes)
    files = [stem.with_suffix(".png"), stem.with_suffix(".svg")]
    with rc_context({"svg.hashsalt": "usb_ext"}):
        replace_file(files[0], lambda part: figure.savefig(part, format="png", dpi=130))
        replace_file(files[1], lambda p: figure.savefig(p, format="svg", metadata={"Date": None}))
    return files


def _write_means(axes: Any, grid: NDArray[np.float64]) -> None:
    """The number in each cell, in a colour that is read on the cell's own."""
    middle = (np.nanmin(grid) + np.nanmax(grid)) / 2
    for (row, column), value in np.ndenumerate(grid):
        text = NONE if np.isnan(value) else number(float(value))
        colour = "white" if value > middle else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour)


def _mean(errors: Mapping[str, float]) -> float:
    return mean_and_spread(list(errors.values())).mean if errors else float("nan")
