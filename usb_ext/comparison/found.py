"""A comparison of runs that are there already, wherever they came from: `usb-ext compare --from`.

Runs are of one method if all settings agree that influence the result, but for the seeds and the
number of labels; a file counts by what it was made from. A method is named after its algorithm, and after
what sets it apart where two of one algorithm are there. Settings that differ between algorithms are not
refused, as each may need its own, but they are reported.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from usb_ext.comparison.entries import Entry
from usb_ext.comparison.plan import Fold
from usb_ext.comparison.records import Record, read_record, read_result
from usb_ext.core.errors import SettingsError
from usb_ext.core.files import SEAL, RunFolder
from usb_ext.core.runtime import versions
from usb_ext.data.origins import Origin, Origins, by_origin, label_seed_of, origins_of
from usb_ext.settings import Settings, config_sha256, load_settings
from usb_ext.settings.digest import as_normalised, influential

FOLD_KEYS = frozenset({"seed", "label_seed", "num_labels"})
"""What may differ between the runs of one method."""

Values: TypeAlias = dict[str, Any]
"""The settings of a method, by name."""


def found_entries(paths: Sequence[Path]) -> tuple[list[Entry], dict[str, Any], list[str]]:
    """The entries of run folders.

    Args:
        paths: run folders; the first one's method is what the others are measured against.

    Returns:
        The entries; each method's algorithm and settings of its own, by label; and a line for each
        further setting that differs.

    Raises:
        SettingsError: a folder that is no run, or two runs of one method on one fold.
    """
    runs = [(path, _settings(path)) for path in paths]
    origins = [_origins(path, settings) for path, settings in runs]
    methods = [_of_method(path, s, made) for (path, s), made in zip(runs, origins, strict=True)]
    groups: list[Values] = []
    for values in methods:
        if values not in groups:
            groups.append(values)
    own = [_set_apart(values, groups) for values in groups]
    labels = [_label(values, apart) for values, apart in zip(groups, own, strict=True)]
    entries = [
        _entry(path, labels[groups.index(values)], s, label_seed_of(s.split_seed, made))
        for (path, s), values, made in zip(runs, methods, origins, strict=True)
    ]
    _refuse_twice(entries)
    described = {
        label: {"algorithm": values["algorithm"], "settings": apart}
        for label, values, apart in zip(labels, groups, own, strict=True)
    }
    ordered = sorted(entries, key=lambda e: (e.num_labels, e.fold, labels.index(e.method)))
    return ordered, described, _differences(groups, labels)


def _settings(path: Path) -> Settings:
    file = RunFolder(path).config
    if file.exists() and not file.is_file():
        raise SettingsError(f"--from: {path} is no run folder: {file} is no file")
    try:
        return load_settings(file).settings
    except SettingsError as error:
        raise SettingsError(f"--from: {path} is no run folder: {error}") from error


def _origins(path: Path, settings: Settings) -> dict[str, Origin]:
    """What the files of a run were made from."""
    recorded = (read_result(RunFolder(path).result) or {}).get("made_from")
    return origins_of(settings.model_dump(mode="json"), path, recorded)


def _of_method(path: Path, settings: Settings, origins: Origins) -> Values:
    """What runs of one method have in common; files stand there by what they were made from."""
    values = by_origin(influential(settings.model_dump(mode="json")), origins)
    values = as_normalised(values, (read_result(RunFolder(path).result) or {}).get("bn_processes"))
    return {name: value for name, value in values.items() if name not in FOLD_KEYS}


def _set_apart(values: Values, groups: Sequence[Values]) -> Values:
    """The settings in which a method differs from others of its algorithm."""
    kin = [other for other in groups if other["algorithm"] == values["algorithm"]]
    return {k: v for k, v in values.items() if any(other[k] != v for other in kin)}


def _label(values: Values, apart: Values) -> str:
    parts = ",".join(f"{name}={value}" for name, value in apart.items() if value is not None)
    return f"{values['algorithm']}:{parts}" if parts else str(values["algorithm"])


def _entry(path: Path, label: str, settings: Settings, label_seed: int) -> Entry:
    record = read_record(RunFolder(path))
    fold = Fold(label_seed, settings.seed)
    if isinstance(record, Record) and _is_changed(settings, record):
        why = "config.yaml is not what the run was trained with; put it back"
        return Entry(label, settings.num_labels, fold, path, None, why)
    if isinstance(record, Record):
        return Entry(label, settings.num_labels, fold, path, record)
    return Entry(label, settings.num_labels, fold, path, None, record)


def _is_changed(settings: Settings, record: Record) -> bool:
    """Whether settings are others than the record's, where this version has written it with a seal."""
    raw = record.raw
    now, then = versions().get("usb_ext"), (raw.get("versions") or {}).get("usb_ext")
    return SEAL in raw and now == then and raw.get("config_sha256") != config_sha256(settings)


def _refuse_twice(entries: Sequence[Entry]) -> None:
    seen: dict[tuple[Any, ...], Path] = {}
    for entry in entries:
        key = entry.method, entry.num_labels, entry.fold
        if key in seen:
            raise SettingsError(
                f"--from: {seen[key]} and {entry.path} are runs of the same settings, {entry.method} "
                f"on fold {entry.fold} with {entry.num_labels} labels; name one of them"
            )
        seen[key] = entry.path


def _differences(groups: Sequence[Values], labels: Sequence[str]) -> list[str]:
    """A line for each setting that all methods have and that is not the same for all."""
    lines = []
    for name in groups[0]:
        values = [group[name] for group in groups]
        if name in ("algorithm", "base", "extensions") or None in values:
            continue
        if any(value != values[0] for value in values):
            said = ", ".join(f"{v} ({m})" for v, m in zip(values, labels, strict=True))
            lines.append(f"{name} differs: {said}")
    return lines
