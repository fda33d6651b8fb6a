"""The runs of a comparison: methods x folds x label counts, each with its settings and folder.

A fold is a choice of labelled images and a training seed (Smooth Pseudo-Labeling, Sec. 4: the two
are apart). Seeds and label seeds are paired in the order given; a single one goes with all of the
other. Without `--label-seeds` the label seed is CONFIG's `label_seed`, or else the fold's seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from usb_ext.comparison.methods import Method
from usb_ext.core.errors import SettingsError
from usb_ext.core.files import RunFolder
from usb_ext.settings import Settings, load_settings


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
) -> list[Planned]:
    """All runs, so ordered that each label count and then each fold is finished in turn.

    Args:
        given: settings of the file and the flags, the same for all methods.
        methods: what is compared.
        folds: on which folds.
        label_counts: numbers of labelled images.
        out: the comparison's folder; runs go to `out/runs`.

    Raises:
        SettingsError: settings that a method cannot take; its label stands in front.
    """
    cells = [(n, fold, method) for n in label_counts for fold in folds for method in methods]
    return [_planned(given, method, n, fold, out) for n, fold, method in cells]


def _planned(
    given: Mapping[str, object], method: Method, num_labels: int, fold: Fold, out: Path
) -> Planned:
    name = f"{method.slug}_n{num_labels}_l{fold.label_seed}_s{fold.seed}"
    own: dict[str, Any] = {"algorithm": method.algorithm, "num_labels": num_labels}
    own |= {"seed": fold.seed, "label_seed": fold.label_seed, "resume": True}
    own |= {"save_dir": str(out / "runs"), "save_name": name, "progress": "lines"}
    own["load_path"] = None  # a checkpoint that a file names is of another run
    try:
        loaded = load_settings(given, {**method.values, **own})
    except SettingsError as error:
        raise SettingsError(f"method {method.label!r}: {error}") from error
    return Planned(method, num_labels, fold, loaded.settings, loaded.warnings)
