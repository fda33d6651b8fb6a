"""The record of a run: what `result.json` holds."""

import statistics
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self, TypedDict

from usb_ext.core.files import file_crc32


class Instability(TypedDict):
    """The largest drop of the evaluated accuracy below its running best: size, when, and from what."""

    largest_drop: float
    it: int
    top1: float
    best_it: int
    best_top1: float
    emptied_classes: list[int]
    collapsed_classes: list[int]


class EvaluationSummary(TypedDict):
    """The scores of a run's evaluations, as `RunResult` has them."""

    top1_last: float | None
    top1_best: float | None
    top1_median20: float | None
    f1_last: float | None
    precision_last: float | None
    recall_last: float | None
    top5_last: float | None


@dataclass(frozen=True)
class RunResult:
    """A run in numbers; accuracies in [0, 1], on the evaluation split, with the averaged weights.

    Attributes:
        algorithm: name as given.
        base: the weak/strong base, None for USB's other algorithms.
        extensions: extensions in force.
        dataset: name as given.
        num_labels: labelled images.
        num_val: labelled images held out for validation.
        label_budget: labels that the run used in all, num_labels + num_val.
        seed: training seed.
        label_seed: seed of the label split.
        iterations: finished steps.
        seconds: trained, evaluation included, over all sittings.
        it_per_s: steps a second over that time.
        device: hardware.
        top1_last: accuracy of the last weights.
        top1_best: best accuracy seen.
        top1_median20: median accuracy of the last 20 evaluations.
        f1_last: macro F1 of the last weights; likewise `precision_last` and `recall_last`.
        collapsed_classes: classes that are almost never predicted.
        params: trainable parameters.
        versions: of what the result depends on.
        commit: of the source, None outside git.
        config_sha256: hash of the settings that decide the result.
        status: `completed` or `interrupted`.
        best_chosen_on: the split that "best" refers to, and whether it is the test set.
        labelled: class coverage and counts of the labelled fold.
        skipped_images: files that could not be decoded, if skipping was allowed.
        ignored_files: number of files that were passed over in a folder of images, by ending.
        duplicate_images: images whose bytes another one has too, where contents are hashed.
        data_sha256: digest of the data, whose parts `data.json` lists.
        test_top1_last: accuracy on a separate test split, where there is one.
        test_top1_best: the same with the weights that were best on the evaluation split.
        path: the run's folder.
        unlabelled: class counts and balance of the unlabelled set, and the class that was reduced.
        calibration: how `ulb_loss_ratio: calibrate` found its number, or None.
        metrics_crc32: of `metrics.jsonl` as the run left it; None for an older run.
        instability: the largest drop of the evaluated accuracy below its running best, when it came and
            which classes were (almost) no longer predicted then; None where it never dropped.
        bn_statistics: what batch norm divides by in evaluation: `running`, `fresh`, or `none` without it.
        top5_last: share of images whose class is among the five likeliest, of the last weights; None with
            five classes or fewer. `test_top5_last` on a separate test split.
        val_top1_last: accuracy of the last weights on the images held out for validation, where there are.
        selection: how the labelled images were chosen: `per_class`, `random`, a strategy of AS3L's
            (`usl`, ...), or `file`.
        self_supervised: how the initial weights were learned without labels, such as `simsiam`.
        prior_until: iterations with prior pseudo-labels (AS3L, Eq. 5: T), None without.
        influence_every: training steps between two updates of learned weights (Ren et al.: N), None without.
        influence_lr: their step size (eta), None without.
        extended_at: steps at which the run had ended and was made longer; the learning rate's schedule was
            then that of the longer run.
        bn_processes: with `sync_bn: false` and batch norm, of how many processes each normalised its own
            rows, in the order of the sittings; else empty.
        made_from: of each file that the settings name its digest, and what its stage was given.
    """

    algorithm: str
    base: str | None
    extensions: list[str]
    dataset: str
    num_labels: int
    num_val: int
    label_budget: int
    seed: int
    label_seed: int
    iterations: int
    seconds: float
    it_per_s: float
    device: str
    top1_last: float | None
    top1_best: float | None
    top1_median20: float | None
    f1_last: float | None
    precision_last: float | None
    recall_last: float | None
    collapsed_classes: list[int]
    params: int
    versions: dict[str, str]
    commit: str | None
    config_sha256: str
    status: str
    best_chosen_on: str
    labelled: dict[str, Any]
    skipped_images: int
    test_top1_last: float | None
    test_top1_best: float | None
    path: str
    unlabelled: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] | None = None
    instability: Instability | None = None
    ignored_files: dict[str, int] = field(default_factory=dict)
    duplicate_images: int = 0
    data_sha256: str | None = None
    bn_statistics: str = "running"
    top5_last: float | None = None
    test_top5_last: float | None = None
    val_top1_last: float | None = None
    selection: str | None = None
    self_supervised: str | None = None
    prior_until: int | None = None
    influence_every: int | None = None
    influence_lr: float | None = None
    made_from: dict[str, dict[str, Any]] = field(default_factory=dict)
    metrics_crc32: int | None = None
    extended_at: list[int] = field(default_factory=list)
    bn_processes: list[int] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The record that `to_json` gave; names that this version does not know are left out.

        Args:
            values: what a `result.json` holds.

        Raises:
            ValueError: a field is missing.
        """
        known = {f.name: f for f in fields(cls)}
        needed = {n for n, f in known.items() if MISSING is f.default is f.default_factory}
        if absent := sorted(needed - values.keys()):
            raise ValueError(f"it has no {', '.join(absent)}")
        return cls(**{name: value for name, value in values.items() if name in known})


def is_as_left(metrics: Path, record: Mapping[str, Any]) -> bool:
    """Whether a finished run's `metrics.jsonl` is what its record says; a lost or an older one passes.

    Args:
        metrics: the file.
        record: what its `result.json` holds.

    Raises:
        OSError: it cannot be read.
    """
    wanted = record.get("metrics_crc32") if record.get("status") == "completed" else None
    return wanted is None or not metrics.is_file() or file_crc32(metrics) == wanted


def evaluation_summary(history: list[dict[str, float]]) -> EvaluationSummary:
    """Last, best and median accuracy and last scores from a run's evaluations.

    Args:
        history: one dict an evaluation with USB's `eval/...` keys, in order; may be empty.

    Returns:
        The fields of `RunResult` whose names end in `_last`, `_best` and `_median20`.
    """
    if not history:
        return EvaluationSummary(
            top1_last=None,
            top1_best=None,
            top1_median20=None,
            f1_last=None,
            precision_last=None,
            recall_last=None,
            top5_last=None,
        )
    top1 = [row["eval/top-1-acc"] for row in history]
    last = history[-1]
    return {
        "top1_last": top1[-1],
        "top1_best": max(top1),
        "top1_median20": statistics.median(top1[-20:]),
        "f1_last": last["eval/F1"],
        "precision_last": last["eval/precision"],
        "recall_last": last["eval/recall"],
        "top5_last": last.get("eval/top-5-acc"),
    }


def percent(share: float | None) -> str:
    """A share in [0, 1] for a person, such as 94.00%; `none` where there is none."""
    return "none" if share is None else f"{100 * share:.2f}%"
