"""The runs of a comparison with what each of them gave, and which of them may be averaged.

A fold is used if every method has a completed run on it, made by the same source (commit and
versions). Everything else is named with its reason and left out (never silently averaged).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from usb_ext.comparison.plan import Fold
from usb_ext.comparison.records import Record

_REASONS = 2
"""Reasons that are told of one method; every run's own stands among those left out."""


@dataclass(frozen=True)
class Entry:
    """One run of a comparison.

    Attributes:
        method: the method's label.
        num_labels: labelled images.
        fold: its seeds.
        path: the run's folder.
        record: what it gave; None if it cannot be used.
        reason: why it cannot; empty if it can.
    """

    method: str
    num_labels: int
    fold: Fold
    path: Path
    record: Record | None
    reason: str = ""


def of_one_source(entries: Sequence[Entry], allow_mixed: bool) -> list[Entry]:
    """The entries, those of another commit or other versions than most without their record.

    So are those of a method whose batch norm was on another number of processes than in most of its runs,
    where each process normalised its own rows (`sync_bn: false`).

    Args:
        entries: all runs.
        allow_mixed: leave them in; the report names commits and versions either way.
    """
    if allow_mixed:
        return list(entries)
    sources = Counter(e.record.source for e in entries if e.record is not None)
    if len(sources) > 1:
        most = sources.most_common(1)[0][0]
        entries = [_checked(entry, most) for entry in entries]
    norms = Counter((e.method, e.record.bn_processes) for e in entries if e.record is not None)
    usual = {name: counts for (name, counts), _ in reversed(norms.most_common())}
    return [_of_usual_norm(entry, usual) for entry in entries]


def _of_usual_norm(entry: Entry, usual: Mapping[str, tuple[int, ...]]) -> Entry:
    if entry.record is None or entry.record.bn_processes == usual[entry.method]:
        return entry
    own, most = (
        " then ".join(map(str, n or (1,))) for n in (entry.record.bn_processes, usual[entry.method])
    )
    reason = f"made with sync_bn: false on {own} processes (most: {most}); --allow-mixed counts it"
    return replace(entry, record=None, reason=reason)


def _checked(entry: Entry, most: tuple[Any, ...]) -> Entry:
    if entry.record is None or entry.record.source == most:
        return entry
    commit, *versions = entry.record.source
    said = [f"{name} {version}" for name, version in versions if (name, version) not in most[1:]]
    if commit != most[0]:
        said.insert(0, f"commit {_short(commit)}")
    usual = "" if commit == most[0] else f" (most: {_short(most[0])})"
    reason = f"made with {', '.join(said) or 'other packages'}{usual}; --allow-mixed counts it"
    return replace(entry, record=None, reason=reason)


def _short(commit: str | None) -> str:
    if commit is None:
        return "unknown"
    head, plus, rest = commit.partition("+")
    return head[:12] + plus + rest


@dataclass(frozen=True)
class Grid:
    """The entries of one label count, by method and fold.

    Attributes:
        num_labels: labelled images.
        methods: labels of the methods that have a usable run, in order.
        folds: those on which all of them have one, in order.
        records: by (method, fold); every pair of the two above is there.
        absent: methods without any usable run, with what became of theirs.
    """

    num_labels: int
    methods: tuple[str, ...]
    folds: tuple[Fold, ...]
    records: dict[tuple[str, Fold], Record]
    absent: dict[str, str]

    def errors(self, method: str, metric: str) -> list[float]:
        """Errors of a method in percent by one of METRICS, one a fold."""
        return [self.records[method, fold].errors[metric] for fold in self.folds]


def make_grid(entries: Iterable[Entry], num_labels: int) -> Grid:
    """What is compared at one label count.

    Args:
        entries: all runs of the comparison.
        num_labels: which of them.
    """
    own = [e for e in entries if e.num_labels == num_labels]
    records = {(e.method, e.fold): e.record for e in own if e.record is not None}
    named = list(dict.fromkeys(e.method for e in own))
    methods = tuple(m for m in named if any(key[0] == m for key in records))
    folds = dict.fromkeys(e.fold for e in own)
    whole = tuple(f for f in folds if methods and all((m, f) in records for m in methods))
    absent = {m: _why([e for e in own if e.method == m]) for m in named if m not in methods}
    return Grid(num_labels, methods, whole, records, absent)


def _why(entries: Sequence[Entry]) -> str:
    """What became of a method's runs, such as "failed (4): the loss is not finite"."""
    kinds: dict[str, list[str]] = {}
    for entry in entries:
        kind, _, said = entry.reason.partition(": ")
        kinds.setdefault(kind, []).append(said)
    return "; ".join(f"{kind} ({len(said)}){_reasons(said)}" for kind, said in kinds.items())


def _reasons(said: Sequence[str]) -> str:
    """Each reason once, the first few of them."""
    once = list(dict.fromkeys(filter(None, said)))
    more = f" and {len(once) - _REASONS} other reasons" if len(once) > _REASONS else ""
    return f": {' / '.join(once[:_REASONS])}{more}" if once else ""


def left_out(entries: Iterable[Entry], grids: Sequence[Grid]) -> list[dict[str, Any]]:
    """Every run that no mean contains, with the reason: its own, or that its fold is not whole."""
    used = {g.num_labels: set(g.folds) for g in grids}
    found = []
    for entry in entries:
        if entry.record is not None and entry.fold in used[entry.num_labels]:
            continue
        reason = entry.reason or "another method's run on this fold is left out"
        found.append({**identity(entry), "reason": reason})
    return found


def identity(entry: Entry) -> dict[str, Any]:
    """Which run an entry is, as JSON values."""
    fold = {"label_seed": entry.fold.label_seed, "seed": entry.fold.seed}
    return {"method": entry.method, "num_labels": entry.num_labels, **fold}
