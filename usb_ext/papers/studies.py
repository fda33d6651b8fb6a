"""Studies: a paper's ablation as one command, from what is missing to a table, a CSV and a picture.

A study is one line of `STUDIES`; whoever adds one adds the line and the function that makes it.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from usb_ext.core.errors import SettingsError
from usb_ext.core.files import write_text
from usb_ext.core.outputs import check_outputs, claim_outputs
from usb_ext.papers.feature_studies import make_bins_study, make_consistency_study
from usb_ext.papers.grid import as_markdown, as_text
from usb_ext.papers.prior_studies import (
    RUN_ARMS,
    SPACE_ARMS,
    make_prior_study,
    method_arms,
    schedule_arms,
)
from usb_ext.papers.smooth_studies import (
    make_aggregate_study,
    make_imbalance_study,
    make_labels_study,
    make_lambda_phi_study,
    make_momentum_study,
    make_shapes_study,
    make_threshold_study,
)
from usb_ext.papers.study import Made, Order, Show
from usb_ext.settings import Settings

Make = Callable[[Settings, Order, Show], Made]


@dataclass(frozen=True)
class Study:
    """One study.

    Attributes:
        help: what is measured, in a line.
        budgets: numbers of labelled images that the paper has; where it does not say, ours.
        seeds: of every draw, as many as the paper has runs.
        make: makes what is missing and gives the numbers.
        takes_features: whether features files of the user's own are further arms.
    """

    help: str
    budgets: tuple[int, ...]
    seeds: tuple[int, ...]
    make: Make
    takes_features: bool = False


SIX = (0, 1, 2, 3, 4, 5)
"""Folds of Smooth Pseudo-Labeling (p cannot fall below 1/64)."""

STUDIES: Mapping[str, Study] = {
    "as3l-6": Study(
        "features that images are chosen on (f_self, f_fine) and how (K-medoids, many clusterings)",
        (10, 40),
        (0, 1, 2),
        lambda s, o, show: make_prior_study("as3l-6", SPACE_ARMS, s, o, show),
    ),
    "as3l-9": Study(
        "numbers of clusters K in the spread of labels",
        (10, 20, 40),
        (0, 1, 2, 3, 4),
        lambda s, o, show: make_prior_study("as3l-9", schedule_arms(s), s, o, show),
    ),
    "as3l-10": Study(
        "self-supervised methods, and features of your own (--with NAME=FILE)",
        (10, 20, 40),
        (0, 1, 2),
        lambda s, o, show: make_prior_study("as3l-10", method_arms(s, o), s, o, show),
        takes_features=True,
    ),
    "as3l-fig2": Study(
        "true classes of the neighbours in the features as FlexMatch changes them",
        (10, 40),
        (0,),
        make_consistency_study,
    ),
    "as3l-fig7": Study(
        "number of clusterings C in choice and fine-tuning",
        (10,),
        (0, 1, 2, 3, 4),
        lambda s, o, show: make_prior_study("as3l-fig7", RUN_ARMS, s, o, show),
    ),
    "as3l-fig8": Study(
        "share of the dominant class by distance to the cluster's centre, on f_self",
        (),
        (0, 1, 2, 3, 4),
        make_bins_study,
    ),
    "smooth-threshold": Study(
        "FixMatch and the three shapes of the smooth factor by threshold, each calibrated at its own",
        (40,),
        (0,),
        make_threshold_study,
    ),
    "smooth-imbalance": Study(
        "one class loses unlabelled images: FixMatch, FlexMatch, Smooth FixMatch, and their own drop",
        (40,),
        SIX,
        make_imbalance_study,
    ),
    "smooth-momentum": Study(
        "FixMatch and Smooth FixMatch by momentum of SGD", (40,), (0,), make_momentum_study
    ),
    "smooth-lambda-phi": Study(
        "the factor as a loss, its weight a share of its limit", (40,), (0,), make_lambda_phi_study
    ),
    "smooth-labels": Study(
        "error, its spread and class frequencies by number of labels drawn without class balance",
        (40, 50, 60, 70, 80, 90, 100),
        SIX,
        make_labels_study,
    ),
    "smooth-shapes": Study(
        "the factor between threshold and 1 in its three shapes", (), (0,), make_shapes_study
    ),
    "smooth-aggregate": Study(
        "FixMatch and Smooth FixMatch run for run over the studies that are there",
        (),
        (0,),
        make_aggregate_study,
    ),
}
"""By name; `fig2` alone is understood, too, as long as one paper has it."""


def study_named(name: str) -> str:
    """The study that a name means: the name itself, or an ending of one that no other has.

    Args:
        name: such as `as3l-6` or `fig2`.

    Raises:
        SettingsError: there is none, or there are several.
    """
    found = [known for known in STUDIES if name in (known, known.partition("-")[2])]
    if len(found) != 1:
        what = f"means {' or '.join(found)}" if found else "is no study"
        raise SettingsError(f"{name!r} {what}; known: {', '.join(STUDIES)}")
    return found[0]


def run_study(name: str, settings: Settings, order: Order, show: Show) -> str:
    """Make what is missing of a study, write its files, and give the table as text.

    Args:
        name: one of STUDIES.
        settings: of the data set, of pre-training and of the runs.
        order: which cells.
        show: prints a line a stage.

    Returns:
        The table, and where the files are: `NAME.md`, `NAME.csv`, `NAME.png`.

    Raises:
        SettingsError: features for a study that takes none, a data set whose classes are not known.
        DataMissing, RunFailed, Interrupted: as in the stages; the same command goes on.
    """
    study = STUDIES[name]
    if order.features and not study.takes_features:
        takes = ", ".join(n for n, s in STUDIES.items() if s.takes_features)
        raise SettingsError(f"{name} takes no features files (--with); {takes} does")
    outputs = [f"{name}.{kind}" for kind in ("md", "csv", "png")]
    check_outputs(order.out, outputs)
    made = study.make(settings, order, show)
    claim_outputs(order.out, outputs)
    write_text(order.out / outputs[0], as_markdown(made.grid) + "\n")
    write_text(order.out / outputs[1], _csv(made.rows))
    made.draw(order.out / outputs[2])
    return f"{as_text(made.grid)}\n{order.out}/{name}.md .csv .png"


def _csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Every measurement as a line, numbers with all their digits."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def catalogue() -> str:
    """A line a study: its name, what it measures, and the labels and seeds of the paper."""
    lines = []
    for name, study in STUDIES.items():
        labels = f"labels {' '.join(map(str, study.budgets))}, " if study.budgets else ""
        lines.append(f"{name:<17} {study.help} ({labels}{len(study.seeds)} seeds)")
    return "\n".join(lines)


def default_order(name: str, save_dir: Path) -> Order:
    """What the paper measured, into `save_dir/study_NAME`.

    Args:
        name: one of STUDIES.
        save_dir: of the runs.
    """
    study = STUDIES[name]
    return Order(study.budgets, study.seeds, {}, save_dir / f"study_{name}")
