"""The runs of a comparison: methods x folds x label counts, each with its settings and folder.

A fold is a choice of labelled images and a training seed (Smooth Pseudo-Labeling, Sec. 4: the two
are apart). Seeds and label seeds are paired in the order given; a single one goes with all of the
other. Without `--label-seeds` the label seed is CONFIG's `label_seed`, or else the fold's seed.

What a comparison finds of its runs: completed, to be done, failed before, or of other settings.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from usb_ext.comparison.methods import Method
from usb_ext.comparison.records import is_completed, read_result
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.files import RunFolder, read_json, write_json
from usb_ext.core.folders import occupied
from usb_ext.settings import Settings, config_sha256, differing_keys, load_settings


class Fold(NamedTuple):
    """What pairs the runs of different methods."""

    label_seed: int
    seed: int

    def __str__(self) -> str:
        """The seed, or both where they differ."""
        if self.label_seed == self.seed:
            return str(self.seed)
        return f"labels {self.label_seed}, seed {self.seed}"


@dataclass(frozen=True)
class Planned:
    """One run that the comparison needs.

    Attributes:
        method: whose run it is.
        num_labels: labelled images.
        fold: its seeds.
        settings: everything; `save_dir/save_name` is its folder.
        warnings: what is to be said about the settings.
    """

    method: Method
    num_labels: int
    fold: Fold
    settings: Settings
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        return self.settings.run_name

    @property
    def folder(self) -> RunFolder:
        """The run's folder."""
        return RunFolder(self.settings.run_dir)


def pair_seeds(
    seeds: Sequence[int] | None, label_seeds: Sequence[int] | None, given: Settings
) -> tuple[Fold, ...]:
    """The folds that the seeds make.

    Args:
        seeds: training seeds; None takes the label seeds, or the settings' seed.
        label_seeds: seeds of the labelled part; None takes the settings', or the training seeds.
        given: settings of the comparison.

    Raises:
        SettingsError: counts that do not pair, or a fold twice.
    """
    if label_seeds is None:
        fixed = given.label_seed is not None
        training = list(seeds or [given.seed])
        labels = [given.split_seed] if fixed else training
    else:
        labels = list(label_seeds)
        training = list(seeds or labels)
    if len(labels) != len(training) and 1 not in (len(labels), len(training)):
        raise SettingsError(
            f"--seeds has {len(training)} values and --label-seeds {len(labels)}; they are paired "
            "in order, so give as many, or one of either"
        )
    count = max(len(labels), len(training))
    folds = tuple(map(Fold, _stretched(labels, count), _stretched(training, count)))
    if len(set(folds)) < count:
        raise SettingsError("--seeds and --label-seeds give a fold twice; name each once")
    return folds


def _stretched(values: list[int], count: int) -> list[int]:
    return values * count if len(values) == 1 else values


def make_plan(
    given: Mapping[str, object],
    methods: Sequence[Method],
    folds: Sequence[Fold],
    label_counts: Sequence[int],
    out: Path,
    flags: Mapping[str, object] | None = None,
) -> list[Planned]:
    """All runs, so ordered that each label count and then each fold is finished in turn.

    Args:
        given: settings of the file; a method other than the file's has its own recipe (`settings/change.py`).
        methods: what is compared.
        folds: on which folds.
        label_counts: numbers of labelled images.
        out: the comparison's folder; runs go to `out/runs`.
        flags: settings that win over the file's and over recipes, the same for all methods.

    Raises:
        SettingsError: settings that a method cannot take; its label stands in front.
    """
    cells = [(n, fold, method) for n in label_counts for fold in folds for method in methods]
    return [_planned(given, flags or {}, method, n, fold, out) for n, fold, method in cells]


def _planned(
    given: Mapping[str, object],
    flags: Mapping[str, object],
    method: Method,
    num_labels: int,
    fold: Fold,
    out: Path,
) -> Planned:
    name = f"{method.slug}_n{num_labels}_l{fold.label_seed}_s{fold.seed}"
    own: dict[str, Any] = {"algorithm": method.algorithm, "num_labels": num_labels}
    own |= {"seed": fold.seed, "label_seed": fold.label_seed, "resume": True}
    own |= {"save_dir": str(out / "runs"), "save_name": name, "progress": "lines"}
    own["load_path"] = None  # a checkpoint that a file names is of another run
    try:
        loaded = load_settings(given, {**flags, **method.values, **own})
    except SettingsError as error:
        raise SettingsError(f"method {method.label!r}: {error}") from error
    return Planned(method, num_labels, fold, loaded.settings, loaded.warnings)


def refuse_other_settings(plan: Sequence[Planned]) -> None:
    """Stop before any run if one of the folders holds a run of other settings.

    Args:
        plan: runs with resolved settings.

    Raises:
        SettingsError: the folder, the keys and both values.
    """
    said = [f"{run.folder.path} ({difference})" for run in plan if (difference := _difference(run))]
    if said:
        more = f" and {len(said) - 3} more" if len(said) > 3 else ""
        raise SettingsError(
            f"runs made with other settings: {'; '.join(said[:3])}{more}; give the same settings, "
            "another --out, or the method another label (LABEL=NAME:setting=value)"
        )


def _difference(run: Planned) -> str:
    """In words, how the run in the folder differs; empty if it does not or there is none."""
    raw = read_result(run.folder.result)
    if raw and raw.get("config_sha256") == config_sha256(run.settings):
        return ""
    if not occupied(run.folder.path):
        return ""
    try:
        stored = load_settings(run.folder.config).settings.model_dump(mode="json")
    except SettingsError as error:
        return f"its settings cannot be read: {error}"
    now = run.settings.model_dump(mode="json")
    if now["feature_size"] is None:  # a run fills it in from its data
        now["feature_size"] = stored["feature_size"]
    keys = differing_keys(stored, now)
    return ", ".join(f"{key} {then} then, {now} now" for key, (then, now) in keys.items())


def completed(run: Planned) -> bool:
    """Whether the run is done and need not be trained again (its settings are the plan's)."""
    return is_completed(run.folder.result)


class Failures:
    """`failed.json`: runs that failed, so that the same failure is not trained again.

    Args:
        path: the file; it need not exist.
        data: gives the digest of a run's data, None where they are not known.
    """

    def __init__(self, path: Path, data: Callable[[Planned], str | None] = lambda _: None) -> None:
        self.path, self.data = path, data
        self.known: dict[str, dict[str, Any]] = {}
        if path.exists():
            remedy = "delete it, and what failed is tried again"
            found = read_json(path, "the list of runs that failed", remedy)
            if not isinstance(found, dict) or not all(isinstance(e, dict) for e in found.values()):
                raise DataMissing(f"{path} is no list of runs that failed; {remedy}")
            self.known = found

    def reason(self, run: Planned) -> str | None:
        """Why this run failed, if it did with these settings on these data."""
        entry = self.known.get(run.name)
        if entry is None or entry.get("config_sha256") != config_sha256(run.settings):
            return None
        then, now = entry.get("data_sha256"), self.data(run)
        return str(entry.get("reason")) if None in (then, now) or then == now else None

    def add(self, run: Planned, reason: str) -> None:
        """Note a failure."""
        self.known[run.name] = {
            "config_sha256": config_sha256(run.settings),
            "data_sha256": self.data(run),
            "reason": reason,
        }
        self._write()

    def forget(self, run: Planned) -> None:
        """Drop a run's failure, because it is tried again."""
        if self.known.pop(run.name, None) is not None:
            self._write()

    def _write(self) -> None:
        write_json(self.path, dict(sorted(self.known.items())))
