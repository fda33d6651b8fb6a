"""Accuracy of prior pseudo-labels by selection, propagation and number of labels (AS3L, Table 8)."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from usb_ext.functional.spread import mean_and_spread
from usb_ext.papers.grid import Grid
from usb_ext.papers.tables import read_table

TABLE = "as3l-8"
SELECTION = {
    "random": "Random selection",
    "coreset": "Coreset selection",
    "kmedoids": "K-medoids selection",
    "usl": "USL selection",
    "as3l": "Proposed selection",
}
PROPAGATION = {"llgc": "LLGC propagation", "seed_kmeans": "Proposed propagation"}


@dataclass(frozen=True)
class PriorCell:
    """Prior pseudo-labels of one choice.

    Attributes:
        strategy: how the labelled images were chosen.
        method: how their labels spread.
        num_labels: labelled images.
        seed: of every draw.
        accuracy: of all images, in percent.
        coverage: classes that have a label.
        ece: expected calibration error, in [0, 1].
    """

    strategy: str
    method: str
    num_labels: int
    seed: int
    accuracy: float
    coverage: int
    ece: float


def prior_grid(cells: Sequence[PriorCell], dataset: str) -> Grid:
    """The table: mean ± std over the seeds, and for CIFAR-10 the paper's number beside it.

    Args:
        cells: one a strategy, method, number of labels and seed.
        dataset: name of the data set.
    """
    counts = sorted({cell.num_labels for cell in cells})
    paper = _paper() if dataset == "cifar10" else {}
    header: list[tuple[str, ...]] = [("", "selection"), ("", "propagation")]
    for count in counts:
        header += [
            (f"{count} labels", side) for side in (("paper", "ours") if paper else ("ours",))
        ]
    body = []
    for strategy, method in dict.fromkeys((c.strategy, c.method) for c in cells):
        line = [strategy, method]
        for count in counts:
            own = [c.accuracy for c in cells if _key(c) == (strategy, method, count)]
            line += [paper.get((strategy, method, count), "")] if paper else []
            line.append(_text(own))
        body.append(line)
    seeds = " ".join(str(seed) for seed in sorted({cell.seed for cell in cells}))
    title = f"Accuracy of prior pseudo-labels on {dataset}, %, mean ± std (AS3L, Table 8)"
    return Grid(title, header, body, [f"seeds {seeds}; an image without a prior counts as wrong"])


def prior_csv(cells: Sequence[PriorCell]) -> str:
    """Every cell as a line, numbers with all their digits."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [f.name for f in fields(PriorCell)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(asdict, cells))
    return stream.getvalue()


def _key(cell: PriorCell) -> tuple[str, str, int]:
    return cell.strategy, cell.method, cell.num_labels


def _text(values: Sequence[float]) -> str:
    if not values:
        return ""
    found = mean_and_spread(values)
    spread = "" if found.std is None else f"±{found.std:.1f}"
    return f"{found.mean:.1f}{spread} (n={found.n})"


def _paper() -> dict[tuple[str, str, int], str]:
    """What the paper printed, by our names."""
    printed = {(c.method, c.setting, c.labels): c.printed for c in read_table(TABLE)}
    return {
        (strategy, method, int(number)): text
        for strategy, selection in SELECTION.items()
        for method, propagation in PROPAGATION.items()
        for (row, setting, number), text in printed.items()
        if (row, setting) == (selection, propagation)
    }
