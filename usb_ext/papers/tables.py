"""The papers' numbers as data: one CSV a table in `published/`, and what they say of their settings.

Every number stands in the text of a paper; what is unreadable there is left out. Smooth
Pseudo-Labeling has no table here, since no number of its tables survived in the text that we have.
"""

import csv
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, overload

from usb_ext.core.errors import SettingsError


@dataclass(frozen=True)
class PublishedNumber:
    """One cell of a table.

    Attributes:
        table: such as `layermatch-1`.
        method: row, as the paper calls it.
        setting: what else tells the row from others of that method, or "".
        dataset: as the paper calls it; `Average` is the mean of a row, as printed.
        labels: labelled images, as a number or a share (`0.2%`); "" where the paper does not say.
        network: as the paper calls it, or "".
        metric: such as `top-1 accuracy`, `test error`, `time`.
        unit: such as `%`, `s`, `h`; `1` for a share in [0, 1].
        mean: the number, in that unit; of a single run where `n` is 1.
        spread: the number after the +-, in that unit, or None.
        spread_kind: `2 sigma`, `std`, or "" where there is no spread.
        n: number of runs, None where the paper does not say.
        seeds: their seeds, where the paper says them.
        checkpoint: which weights were evaluated, where the paper says it.
        source: authors, short title, table.
        note: what a reader has to know, or "".
        printed: mean and spread with the paper's digits, such as `93.94±3.9`.
    """

    table: str
    method: str
    setting: str
    dataset: str
    labels: str
    network: str
    metric: str
    unit: str
    mean: float
    spread: float | None
    spread_kind: str
    n: int | None
    seeds: tuple[int, ...]
    checkpoint: str
    source: str
    note: str
    printed: str

    @property
    def num_labels(self) -> int | None:
        """The labelled images as a number, None where the paper gives a share or nothing."""
        return int(self.labels) if self.labels.isdecimal() else None


def table_names() -> list[str]:
    """Names of the tables, a paper after the other, Table 2 before Table 10."""
    names = (entry.name for entry in _folder().iterdir())
    return sorted((n.removesuffix(".csv") for n in names if n.endswith(".csv")), key=_natural)


def read_table(name: str) -> list[PublishedNumber]:
    """The cells of a table, row by row.

    Args:
        name: one of `table_names()`.

    Raises:
        SettingsError: an unknown name.
    """
    if name not in table_names():
        raise SettingsError(f"no table {name!r}; there are {', '.join(table_names())}")
    text = (_folder() / f"{name}.csv").read_text(encoding="utf-8")
    return [_number(name, row) for row in csv.DictReader(text.splitlines())]


def stated_settings(name: str, dataset: str, method: str = "") -> dict[str, object]:
    """The settings that a paper states for a table, by the names of our settings.

    Args:
        name: one of `table_names()`.
        dataset: as in `PublishedNumber.dataset`.
        method: as in `PublishedNumber.method`; "" for what all rows have.

    Returns:
        Values by name, a list for any of its entries; `unlabelled_batch` is `batch_size` times `uratio`,
        `selection` and `self_supervised` are as in `RunResult`. Empty where nothing is stated.
    """
    found: dict[str, object] = {}
    for protocol in _lineage(_protocols()["tables"].get(name)):
        found |= {**protocol.get("all", {}), **protocol.get(dataset, {})}
        found |= protocol.get("rows", {}).get(method, {})
    return found


def _lineage(name: str | None) -> Iterator[dict[str, Any]]:
    """A protocol after the one that it is like."""
    if name is not None:
        protocol = _protocols()[name]
        yield from _lineage(protocol.get("like"))
        yield protocol


def protocol_rules() -> Mapping[str, frozenset[str]]:
    """`left_out`, `free` and `told`: what a difference in a setting means (`published/protocols.toml`)."""
    return {name: frozenset(names) for name, names in _protocols()["rules"].items()}


@overload
def published() -> list[str]: ...


@overload
def published(table: str) -> list[PublishedNumber]: ...


def published(table: str | None = None) -> list[str] | list[PublishedNumber]:
    """The numbers of the papers' tables.

    Args:
        table: a name such as `layermatch-1`; None lists the names.

    Returns:
        The names, or the cells of that table with method, data set, labels, mean, spread, n and source.

    Raises:
        SettingsError: a table that is not there.
    """
    return table_names() if table is None else read_table(table)


@cache
def _protocols() -> dict[str, Any]:
    return tomllib.loads((_folder() / "protocols.toml").read_text(encoding="utf-8"))


def _folder() -> Traversable:
    """`published/`, found from the package: its own name is that of the function `usb_ext.published`."""
    return files("usb_ext") / "papers" / "published"


def _natural(name: str) -> tuple[str, int, str]:
    paper, _, place = name.partition("-")
    number = re.fullmatch(r"\d+", place)
    return paper, int(place) if number else 1000, place


def _number(table: str, row: dict[str, str]) -> PublishedNumber:
    changed = {
        "mean": float(row["mean"]),
        "spread": float(row["spread"]) if row["spread"] else None,
        "n": int(row["n"]) if row["n"] else None,
        "seeds": tuple(map(int, row["seeds"].split())),
        "printed": row["mean"] + (f"±{row['spread']}" if row["spread"] else ""),
    }
    return PublishedNumber(table=table, **{**row, **changed})  # type: ignore[arg-type]
