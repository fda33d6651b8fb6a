"""Run folders that are named on a command line, or lie below one, and what they hold."""

import glob
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from usb_ext.core.errors import DataMissing, SettingsError, reason
from usb_ext.core.files import RunFolder, check_seal, json_of, text_of
from usb_ext.core.folders import REPLACED
from usb_ext.core.result import is_as_left
from usb_ext.data.origins import (
    Origin,
    by_origin,
    origins_of,
    selection_of,
    self_supervised_of,
)
from usb_ext.settings.digest import as_normalised, influential
from usb_ext.settings.sources import read_yaml

SEEDS = ("seed", "label_seed")
NEEDED = frozenset(("status", "algorithm", "base", "extensions", "dataset", "num_labels"))
"""What a record must hold for the run to be placed."""


@dataclass(frozen=True)
class FoundRun:
    """A run's folder.

    Attributes:
        path: the folder.
    """

    path: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        """`result.json`, empty where there is none: the run did not get to its end.

        Raises:
            DataMissing: a file that is no record.
        """
        file = RunFolder(self.path).result
        if not file.exists():
            return {}
        try:
            content: dict[str, Any] = json_of(file)
            check_seal(content if isinstance(content, dict) else {})
        except (OSError, ValueError) as error:
            raise DataMissing(f"{file} cannot be read: {reason(error)}") from error
        missing = NEEDED - set(content if isinstance(content, dict) else ())
        if missing:
            raise DataMissing(f"{file} is not the record of a run: it has no {min(missing)}")
        return content

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The settings that decide the result, by name, from `config.yaml`.

        A file that they name stands there by what it was made from (`data/origins.py`), not by its path, and
        `sync_bn` by what it came to on the run's processes.

        Raises:
            DataMissing: no such file, or one that is no YAML.
        """
        values = as_normalised(self._given, self.record.get("bn_processes"))
        return by_origin(values, self.origins)

    @cached_property
    def _given(self) -> dict[str, Any]:
        file = RunFolder(self.path).config
        if not file.is_file():
            raise DataMissing(f"{file} is missing: without the settings the run cannot be placed")
        try:
            return influential(read_yaml(file))
        except SettingsError as error:
            raise DataMissing(str(error)) from error

    @cached_property
    def origins(self) -> dict[str, Origin]:
        """What the files that the settings name were made from."""
        return origins_of(self._given, self.path, self.record.get("made_from"))

    @property
    def selection(self) -> str:
        """How the labelled images were chosen, as in `RunResult`."""
        return str(self.record.get("selection") or selection_of(self._given, self.origins))

    @property
    def self_supervised(self) -> str | None:
        """How the initial weights were learned, as in `RunResult`."""
        found = self.record.get("self_supervised")
        return found or self_supervised_of(self._given, self.origins)

    @property
    def fold(self) -> tuple[object, ...]:
        """What tells runs of one method apart: the seeds, and the contents of the files that they read."""
        seeds = [self.settings[name] for name in SEEDS]
        return (*seeds, *sorted((n, o["sha256"]) for n, o in self.origins.items()))

    @property
    def unfinished(self) -> str | None:
        """Why the run has no result to show, or None where it has one."""
        status = self.record.get("status")
        if status is None:
            return "it has no result.json: it has not finished"
        return None if status == "completed" else f"it is {status}; continue it with --resume"

    def curve(self, key: str) -> dict[int, float]:
        """A metric by step, as `read_curve` gives it.

        Args:
            key: such as `eval/top-1-acc`.

        Raises:
            DataMissing: as there, or the file is not as the finished run left it.
        """
        file = RunFolder(self.path).metrics
        if not is_as_left(file, self.record):
            raise DataMissing(
                f"{file} is not as the run left it; put it back, or leave the run out"
            )
        return read_curve(file, key)

    def but_seeds(self) -> dict[str, Any]:
        """The settings but for the seeds: what runs of one method have in common."""
        return {name: value for name, value in self.settings.items() if name not in SEEDS}


def folders_of_runs(places: Sequence[str | Path]) -> tuple[Path, ...]:
    """The run folders that are named, and those below other folders or of a glob pattern, each once.

    Args:
        places: as in `find_runs`; a folder with a `config.yaml` is taken as it is.

    Raises:
        DataMissing: a place where there is no run.
    """
    folders: dict[Path, None] = {}
    for place in places:
        path = Path(place).expanduser()
        named = (path / "config.yaml").is_file()
        for folder in [path] if named else [run.path for run in find_runs([str(place)])]:
            folders.setdefault(folder)
    return tuple(folders)


def find_runs(places: Sequence[str]) -> list[FoundRun]:
    """The runs at and below some places, each once, in the order found.

    Args:
        places: run folders, folders above run folders, files inside a run folder, or glob patterns.

    Raises:
        DataMissing: a place where there is no run.
    """
    found: dict[Path, FoundRun] = {}
    for place in places:
        folders = [f for path in _expanded(place) for f in _run_folders(path)]
        if not folders:
            raise DataMissing(
                f"{place}: no run there; name folders that hold a config.yaml and a result.json or "
                "metrics.jsonl, or folders above them"
            )
        for folder in folders:
            found.setdefault(folder.resolve(), FoundRun(folder))
    return list(found.values())


def _expanded(place: str) -> list[Path]:
    place = os.path.expanduser(place)
    if Path(place).exists():
        return [Path(place)]
    return [Path(name) for name in sorted(glob.glob(place, recursive=True))]


def _run_folders(path: Path) -> list[Path]:
    folder = path if path.is_dir() else path.parent
    if _is_run(folder):
        return [folder]
    if not path.is_dir():
        return []
    runs = [p for p in sorted(folder.rglob("*")) if p.is_dir() and _is_run(p)]
    return [
        p for p in runs if REPLACED not in p.name
    ]  # a run that its successor is about to remove


def _is_run(folder: Path) -> bool:
    run = RunFolder(folder)
    if (folder / "pretrain.json").exists():  # pre-training has a metrics.jsonl too, and is no run
        return False
    return run.result.exists() or run.metrics.exists()


def read_curve(path: Path, key: str) -> dict[int, float]:
    """A metric by step.

    Args:
        path: a `metrics.jsonl`, one JSON object a line with `it`, the number of finished steps.
        key: such as `eval/top-1-acc`.

    Returns:
        Values by step, ascending; where a step stands twice, its last value.

    Raises:
        DataMissing: no such file, a line that is no JSON object with `it`, or no row with the key.
    """
    rows = _rows(path)
    points = {int(row["it"]): float(row[key]) for row in rows if key in row}
    if not points:
        known = sorted({name for row in rows for name in row} - {"it", "time"})
        have = ", ".join(known) or "nothing"
        raise DataMissing(f"{path} has no row with {key}; choose a --key it has: {have}")
    return dict(sorted(points.items()))


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        lines = text_of(path).splitlines()
    except (OSError, ValueError) as error:
        raise DataMissing(f"{path} cannot be read: {reason(error)}") from error
    return [_row(path, n, line) for n, line in enumerate(lines, start=1) if line.strip()]


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        if all(isinstance(value, int | float) for value in row.values()) and "it" in row:
            return dict(row)
    except (ValueError, AttributeError, RecursionError):
        pass
    raise DataMissing(f"{path}:{number} is no row of metrics: {line[:40]!r}; mend or drop the line")
