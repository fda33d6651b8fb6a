"""Which of our methods the rows of a paper's table are, so that a cell of a table is one comparison.

A cell is a data set with a number of labels (`cifar10/10`). A row of it is an algorithm with settings, put on
the settings file that we ship for the cell: every method but the file's own has its own recipe
(`settings/change.py`). A row that no run here can be says why.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from usb_ext.comparison.asked import Asked
from usb_ext.comparison.methods import Given, Method, settings_of_file
from usb_ext.core.errors import SettingsError
from usb_ext.papers.names import PLAIN
from usb_ext.papers.tables import PublishedNumber, read_table, table_names
from usb_ext.settings.algorithms import carriers

VIT = {
    "CIFAR-10": "layermatch_cifar10_10",
    "CIFAR-100": "layermatch_cifar100_200",
    "STL-10": "layermatch_stl10_10",
}
SCRATCH = {name: f"layermatch_scratch_{file}" for name, file in (
    ("CIFAR-10", "cifar10_40"), ("CIFAR-100", "cifar100_400"), ("STL-10", "stl10_40"),
    ("ImageNet-100", "imagenet100_10000"),
)}  # fmt: skip
AS3L = {"CIFAR-10": "as3l_cifar10_40", "CIFAR-100": "as3l_cifar100_400", "STL-10": "as3l_stl10_40"}
ABLATION = {"num_train_iter": 258048}
"""AS3L, Sec. 5.4.1: 112 x 2304 steps."""


@dataclass(frozen=True)
class Trained:
    """What the cells of a table are trained with.

    Attributes:
        files: data set, as the paper calls it -> name of the settings file.
        settings: over the file's, for all rows.
    """

    files: Mapping[str, str]
    settings: Mapping[str, object] = field(default_factory=dict)


TRAINED: dict[str, Trained] = {
    "layermatch-1": Trained(VIT),
    "layermatch-2": Trained(SCRATCH),
    "layermatch-3": Trained(SCRATCH),
    "layermatch-4": Trained(VIT),
    "layermatch-5": Trained(VIT),
    "layermatch-fig3": Trained(VIT),
    "influence-1": Trained({"CIFAR-10": "influence_cifar10_uda", "SVHN": "influence_svhn_uda"}),
    "influence-2": Trained({"IMDb": "influence_imdb_20"}),
    "influence-3": Trained({"CIFAR-10": "influence_cifar10_uda"}),
    "influence-sec4.3": Trained({"CIFAR-10": "influence_cifar10_uda"}),
    "as3l-1": Trained(AS3L),
    "as3l-2": Trained(AS3L),
    "as3l-3": Trained(AS3L),
    "as3l-4": Trained({"ImageNet": "as3l_imagenet_2562"}),
    "as3l-5": Trained(AS3L, ABLATION),
    "as3l-7": Trained(AS3L, ABLATION),
}
"""Tables whose rows are training runs."""

NOT_TRAINED = {
    "as3l-6": "prior pseudo-labels, before any training",
    "as3l-8": "prior pseudo-labels, before any training: `usb-ext prior-grid`",
    "as3l-9": "prior pseudo-labels, before any training",
    "as3l-10": "prior pseudo-labels, before any training",
    "influence-sec4.4": "times of a step: `usb-ext bench --influence`",
}
"""The others, with what they hold."""

SHARES = {"0.2%": 2562, "1%": 12812}
"""Labels of ImageNet's 1,281,167 images that the shares of AS3L, Table 4, are."""

SEL = "Sel (Kim and Lee, 2022) chooses the checkpoint by a measure whose formula is not in the text"
LESS = "LESS (Lucas et al., 2022) is named in the text and not described"
QUOTED = "the paper quotes it from elsewhere"


class Row(NamedTuple):
    """What a row of a table is.

    Attributes:
        algorithm: name as in the setting `algorithm`; empty where no run of ours can be it.
        values: settings of this row alone.
        open: why no run of ours can be it; else empty.
    """

    algorithm: str
    values: Mapping[str, object]
    open: str = ""


IMAGENET: dict[str, object] = {"p_cutoff": 0.7, "ulb_loss_ratio": 10.0}
EMAN: dict[str, object] = {
    "base": "fixmatch_eman",
    "pretrain_path": "./data/byol_eman_resnet50.pth",
}
ROWS: dict[str, dict[str, Row]] = {
    "as3l-4": {
        "Fine-tune": Row("supervised", {"use_pretrain": True}),
        "FlexMatch": Row("flexmatch", IMAGENET),
        "SelfMatch (w FixMatch-EMAN)": Row("selfmatch", EMAN),
        "Ours (w FixMatch-EMAN)": Row("as3l", EMAN),
    },
    "as3l-5": {
        "Random": Row("selfmatch", {}),
        "Random + PPL": Row("as3l", {"as3l_strategy": "random"}),
        "Active": Row("as3l", {"prior_label": False}),
        "Active + PPL": Row("as3l", {}),
    },
    "as3l-7": {  # its Random prints Table 5's, which has no prior pseudo-labels
        "Random": Row("as3l", {"as3l_strategy": "random", "prior_label": False}),
        "K-medoids": Row("as3l", {"as3l_strategy": "kmedoids"}),
        "Coreset": Row("as3l", {"as3l_strategy": "coreset"}),
        "Proposed": Row("as3l", {}),
    },
    "influence-sec4.3": {
        "Luketina et al. (identity as inverse Hessian)": Row(
            "influence_uda", {"influence_inverse": "identity"}
        ),
        "Lorraine et al. (Neumann series)": Row("influence_uda", {"influence_inverse": "neumann"}),
    },
}  # fmt: skip
"""Rows by table and the paper's name, where the name alone does not say it."""

OWN: dict[str, str] = {
    "LayerMatch": "layermatch",
    "Ours (w FlexMatch)": "as3l",
    "SelfMatch (w FlexMatch)": "selfmatch",
    "Ours (UDA)": "influence_uda",
    "Ours (FixMatch, CTA)": "influence_fixmatch",
    "Ours": "influence_uda",
    "InstanT": "instant",
}
"""Algorithms with a name of their own."""


def row_of(cell: PublishedNumber) -> Row:
    """The algorithm and settings of a cell's row.

    Args:
        cell: a cell of a table in `TRAINED`.
    """
    name, setting = cell.method, cell.setting
    if "-Sel" in name:
        return Row("", {}, SEL)
    if name == "LESS":
        return Row("", {}, LESS)
    if (found := ROWS.get(cell.table, {}).get(name)) is not None:
        return found
    if (name, setting) == ("FlexMatch", "SimSiam initial weights"):
        return Row("selfmatch", {})
    algorithm = OWN.get(name) or PLAIN.get(name, "")
    if name == "InstanT" and algorithm not in carriers():
        return Row("", {}, "InstanT is no algorithm here")
    if not algorithm:
        return Row("", {}, QUOTED)
    return Row(algorithm, {**_of_setting(setting), **_batch(cell, algorithm)})


def _of_setting(setting: str) -> dict[str, object]:
    """The settings that the words of a row's `setting` stand for."""
    values: dict[str, object] = {}
    if "Grad-ReLU off" in setting:
        values["grad_relu"] = False
    if "Avg-Clustering off" in setting:
        values["avg_clustering"] = False
    if setting == "with Grad-ReLU":
        values["extensions"] = ["grad_relu"]
    if length := re.fullmatch(r"length (\d+)", setting):
        values["max_length"] = int(length[1])
    if resets := re.fullmatch(r"N = (\d+)", setting):
        values["ac_reset_iter"] = int(resets[1])
    if sweep := re.fullmatch(r"N = (\d+), eta = ([\d.]+)", setting):
        values |= {"influence_every": int(sweep[1]), "influence_lr": float(sweep[2])}
    return values


def _batch(cell: PublishedNumber, algorithm: str) -> dict[str, object]:
    """The unlabelled batch of FixMatch's rows beside UDA's, as in our settings files of the two."""
    images = cell.table == "influence-1"
    return {"uratio": 7} if images and algorithm in ("fixmatch", "influence_fixmatch") else {}


class Left(NamedTuple):
    """A row that is not run.

    Attributes:
        label: the row.
        why: the reason.
    """

    label: str
    why: str


@dataclass(frozen=True)
class Experiment:
    """A cell of a table as a comparison.

    Attributes:
        name: such as `layermatch-1 cifar10/10`.
        source: authors, short title, table.
        file: name of the settings file.
        num_labels: labelled images; None for the file's, where the paper does not say.
        seeds: the paper's, or as many as it has runs; one where it does not say.
        settings: over the file's, for all methods.
        methods: the rows that are run, in the table's order.
        left: the rows that are not.
    """

    name: str
    source: str
    file: str
    num_labels: int | None
    seeds: tuple[int, ...]
    settings: Mapping[str, object]
    methods: tuple[Method, ...]
    left: tuple[Left, ...]


def experiment(table: str, cell: str | None) -> Experiment:
    """The comparison that a cell of a table is.

    Args:
        table: such as `layermatch-1`.
        cell: such as `cifar10/10`; None where the table has one alone.

    Raises:
        SettingsError: an unknown table or cell, with those there are, or a table of no training runs.
    """
    if table in NOT_TRAINED:
        raise SettingsError(
            f"--paper {table} holds {NOT_TRAINED[table]}; it has no runs to compare"
        )
    if table not in table_names():
        raise SettingsError(f"--paper is {table!r}; there are {', '.join(TRAINED)}")
    cells = cells_of(table)
    named = cell or (next(iter(cells)) if len(cells) == 1 else "")
    if named not in cells:
        given = f"--cell is {cell!r}" if cell else f"--paper {table} needs --cell"
        raise SettingsError(f"{given}; {table} has {', '.join(cells)}")
    return _experiment(f"{table} {named}", cells[named])


def of_cell(
    asked: Asked, table: str, cell: str | None, *, own_file: bool
) -> tuple[Asked, Experiment]:
    """A wish for a cell of a table: its rows, file, seeds and labels stand in for what is not given.

    Args:
        asked: a wish without methods.
        table: as in `experiment`, like `cell`.
        own_file: whether the wish has a settings file of its own.

    Raises:
        SettingsError: no such table or cell, or a number of labels beside a cell that has one.
    """
    paper = experiment(table, cell)
    if paper.num_labels is not None and asked.num_labels is not None:
        raise SettingsError(
            f"--paper {paper.name} says the number of labels; leave --num-labels out"
        )
    flags = {**paper.settings, **asked.given.flags}
    labels = asked.num_labels if paper.num_labels is None else (paper.num_labels,)
    seeds = asked.seeds if asked.label_seeds else asked.seeds or paper.seeds
    name = re.sub(r"[^A-Za-z0-9._%+-]+", "_", paper.name)
    given = Given(asked.given.file if own_file else settings_of_file(paper.file), flags)
    return replace(
        asked, methods=paper.methods, given=given, seeds=seeds, num_labels=labels, name=name
    ), paper


def cells_of(table: str) -> dict[str, list[PublishedNumber]]:
    """The cells of a table that are trained, each with its rows, a row once.

    Args:
        table: one of `TRAINED`.
    """
    found: dict[str, dict[tuple[str, str], PublishedNumber]] = {}
    numbers = [c for c in read_table(table) if c.dataset in TRAINED[table].files]
    stated = any(c.labels for c in numbers)
    for number in numbers:
        if stated and not number.labels:
            continue  # fully supervised
        rows = found.setdefault(_cell_name(number), {})
        rows.setdefault((number.method, number.setting), number)
    kept = {name: list(rows.values()) for name, rows in found.items()}
    return {n: rows for n, rows in kept.items() if any(row_of(r).algorithm for r in rows)}


def _cell_name(number: PublishedNumber) -> str:
    dataset = number.dataset.lower().replace("-", "")
    return f"{dataset}/{number.labels}" if number.labels else dataset


def _experiment(name: str, rows: Sequence[PublishedNumber]) -> Experiment:
    first, trained = rows[0], TRAINED[rows[0].table]
    methods, left = [], []
    for number in rows:
        label = ", ".join(filter(None, [number.method, number.setting]))
        row = row_of(number)
        if row.algorithm:
            methods.append(Method(label, row.algorithm, row.values))
        else:
            left.append(Left(label, row.open))
    seeds = next((number.seeds for number in rows if number.seeds), ())
    runs = next((number.n for number in rows if number.n), 1)
    return Experiment(
        name=name,
        source=first.source,
        file=trained.files[first.dataset],
        num_labels=SHARES.get(first.labels, first.num_labels),
        seeds=seeds or tuple(range(runs)),
        settings=trained.settings,
        methods=tuple(methods),
        left=tuple(left),
    )
