"""Runs of one method brought together: their common steps, and a name for the legend."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from usb_ext.core.errors import SettingsError
from usb_ext.core.files import RunFolder
from usb_ext.evidence.metric_rows import read_curve
from usb_ext.functional.spread import FloatArray
from usb_ext.papers.found_runs import SEEDS, FoundRun
from usb_ext.settings.names import parts_of

MAX_KEYS = 3


@dataclass(frozen=True)
class CurveGroup:
    """The curves of the runs of one method.

    Attributes:
        label: name in the legend.
        steps: (T,) finished steps that all its runs have logged.
        curves: (S, T) one row a run, in the metric's unit.
        remarks: what a reader has to know, without the label.
    """

    label: str
    steps: FloatArray
    curves: FloatArray
    remarks: list[str]


def group_runs(runs: Sequence[FoundRun], by: Sequence[str] = ()) -> list[list[FoundRun]]:
    """Bring runs together, in the order found; a run that repeats another's settings and seeds is dropped.

    Args:
        runs: what was found.
        by: settings whose values make a group; empty for all settings but the seeds.

    Raises:
        SettingsError: a name that is no setting.
    """
    groups: list[tuple[dict[str, Any], list[FoundRun]]] = []
    for run in runs:
        key = _key(run, by)
        members = next((members for other, members in groups if other == key), None)
        if members is None:
            groups.append((key, [run]))
        elif all(other.settings != run.settings for other in members):
            members.append(run)
    return [members for _, members in groups]


def make_group(members: list[FoundRun], label: str, metric: str) -> CurveGroup:
    """The curves of a group on the steps that all its runs have logged.

    Args:
        members: its runs, one or more.
        label: its name.
        metric: key in `metrics.jsonl`.

    Raises:
        DataMissing: metrics that cannot be read, or do not hold the key.
        SettingsError: no step is common to the runs.
    """
    curves = [read_curve(RunFolder(run.path).metrics, metric) for run in members]
    common = sorted(set.intersection(*(set(curve) for curve in curves)))
    every = set().union(*curves)
    if not common:
        raise SettingsError(
            f"the runs of {label} have no step in common: {', '.join(str(r.path) for r in members)}"
        )
    remarks = _mixed(members)
    if len(common) < len(every):
        fewest = members[min(range(len(curves)), key=lambda n: len(curves[n]))].path
        remarks.append(
            f"drawn on {len(common)} common steps of the {len(every)} that were logged; {fewest} has "
            "fewest"
        )
    values = np.array([[curve[step] for step in common] for curve in curves], dtype=np.float64)
    return CurveGroup(label, np.array(common, dtype=np.float64), values, remarks)


def labels_of(groups: Sequence[list[FoundRun]], by: Sequence[str] = ()) -> list[str]:
    """A name for each group: its method, and where that does not tell it apart, settings that do.

    Args:
        groups: as `group_runs` gives them.
        by: as there; then the names are the values of these settings.
    """
    if by:
        return [_words({name: g[0].settings[name] for name in by}) for g in groups]
    firsts = [group[0].but_seeds() for group in groups]
    names = []
    for mine in firsts:
        rivals = [other for other in firsts if method_name(other) == method_name(mine)]
        telling = [n for n in mine if any(other[n] != mine[n] for other in rivals)]
        parts = [method_name(mine), _words({n: mine[n] for n in telling[:MAX_KEYS]})]
        names.append(", ".join(part for part in parts if part))
    return names


def method_name(settings: dict[str, Any]) -> str:
    """`fixmatch + grad_relu`, `layermatch - avg_clustering`: an algorithm, what is on it and what is off.

    Args:
        settings: values by name, as `FoundRun.settings` gives them.
    """
    algorithm, asked = settings["algorithm"], tuple(settings["extensions"])
    off = [p for p in parts_of(algorithm, asked) if settings.get(p) is False]
    own = parts_of(algorithm, ())
    text = str(settings["base"] or algorithm if algorithm == "weak_strong" else algorithm)
    text += "".join(f" + {p}" for p in parts_of(algorithm, asked) if p not in (*own, *off))
    return text + "".join(f" - {part}" for part in off if part in own)


def _key(run: FoundRun, by: Sequence[str]) -> dict[str, Any]:
    settings = run.settings
    for name in by:
        if name not in settings:
            near = difflib.get_close_matches(name, settings, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(f"--by {name} is no setting that decides a result{hint}")
    return {name: settings[name] for name in by} if by else run.but_seeds()


def _words(values: dict[str, Any]) -> str:
    """`fixmatch, lr 0.03`: an algorithm by its name alone, any other setting with it."""
    return ", ".join(str(v) if name == "algorithm" else f"{name} {v}" for name, v in values.items())


def _mixed(members: list[FoundRun]) -> list[str]:
    """In what the runs of a group differ besides their seeds, where `by` brought them together."""
    first = members[0].settings
    names = [n for n in first if any(run.settings[n] != first[n] for run in members)]
    mixed = [name for name in names if name not in SEEDS]
    return [f"its runs differ in {', '.join(mixed[:MAX_KEYS])}"] if mixed else []
