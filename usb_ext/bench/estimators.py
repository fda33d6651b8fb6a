"""`usb-ext bench --preset estimators`: SemiSupervisedClassifier beside scikit-learn's own, on the same draws.

Every classifier gets the same features, standardised over all training examples, and the same labels; of
each draw the accuracy on test examples that none has seen. A gain is that over logistic regression on the
labelled examples alone, draw by draw.
"""

import csv
import io
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from usb_ext.comparison.statistics import signed_rank
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.arrays import DIGITS_SIZE, load_digits_arrays
from usb_ext.data.feature_views import load_feature_set
from usb_ext.data.splits import label_indices
from usb_ext.estimator.classifier import SemiSupervisedClassifier
from usb_ext.settings import load_settings
from usb_ext.settings.feature_set import FEATURES

FIRST = "LogisticRegression, labels alone"
"""What gains are measured against."""

NEIGHBOURS = 7
"""ours: of LabelSpreading's graph, scikit-learn's default."""

LEVEL = 0.95
"""Of the interval of a mean gain, by Student's t over the draws."""

Make = Callable[[int], Any]
"""From a seed to an estimator of scikit-learn's kind, which has no types."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Features and classes, apart for training and testing.

    Attributes:
        name: of the data.
        train: (N, d) float64, like `test`, standardised by the means and deviations of `train`.
        train_targets: (N,) classes.
        test: (M, d).
        test_targets: (M,).
    """

    name: str
    train: NDArray[np.float64]
    train_targets: NDArray[np.int64]
    test: NDArray[np.float64]
    test_targets: NDArray[np.int64]


def digits() -> Examples:
    """scikit-learn's digits: 64 pixels, 1,297 examples for training and 500 for the test."""
    arrays = load_digits_arrays(DIGITS_SIZE)
    train, test = (
        images[..., 0].reshape(len(images), -1)
        for images in (np.asarray(arrays.train_images), np.asarray(arrays.test_images))
    )
    return _standardised("digits", train, arrays.train_targets, test, arrays.test_targets)


def kept_features(folder: Path) -> Examples:
    """The plain views of a folder of `usb-ext features`, whose training images all have a class.

    Args:
        folder: with test images.

    Raises:
        DataMissing: as in `load_feature_set`, or images without a class.
        SettingsError: no test images.
    """
    given = {
        "algorithm": "fixmatch",
        "dataset": FEATURES,
        "feature_file": str(folder),
        "net": "linear",
    }
    found = load_feature_set(load_settings(given).settings)
    if (found.train_targets < 0).any() or not len(found.test_targets):
        raise DataMissing(
            f"features in {folder} have training images without a class, or no test images, so no accuracy "
            "can be measured; make them from train/<class>/* and test/<class>/*"
        )
    train, test = (
        views.tensor()[:, 0].numpy() for views in (found.train_images, found.test_images)
    )
    return _standardised(folder.name, train, found.train_targets, test, found.test_targets)


def _standardised(
    name: str, train: Any, train_targets: Any, test: Any, test_targets: Any
) -> Examples:
    scaler = StandardScaler().fit(train.astype(np.float64))
    both = (scaler.transform(part.astype(np.float64)) for part in (train, test))
    return Examples(name, next(both), train_targets, next(both), test_targets)


def estimators(steps: int | None) -> dict[str, Make]:
    """What is compared, by name; scikit-learn's with its defaults but for what is said here.

    Args:
        steps: of ours; None is the estimator's default.
    """

    def ours(algorithm: str, **changed: Any) -> Make:
        return lambda seed: SemiSupervisedClassifier(
            algorithm, num_train_iter=steps, standardize=False, random_state=seed, **changed
        )

    def logistic() -> Any:
        return LogisticRegression(max_iter=1000)

    return {
        FIRST: lambda _: logistic(),
        "SelfTrainingClassifier(LogisticRegression)": lambda _: SelfTrainingClassifier(logistic()),
        "LabelSpreading(kernel=knn)": lambda _: LabelSpreading(
            kernel="knn", n_neighbors=NEIGHBOURS
        ),
        "SemiSupervisedClassifier, labels alone": ours(
            "fixmatch", settings={"ulb_loss_ratio": 0.0}
        ),
        "SemiSupervisedClassifier(fixmatch)": ours("fixmatch"),
        "SemiSupervisedClassifier(softmatch)": ours("softmatch"),
        "SemiSupervisedClassifier(layermatch)": ours("layermatch"),
    }


def bench_estimators(
    examples: Examples,
    num_labels: int,
    draws: Sequence[int],
    made: Mapping[str, Make],
    say: Callable[[str], object],
) -> dict[str, Any]:
    """Fit every estimator to every draw of labels.

    Args:
        examples: the data.
        num_labels: labelled examples, the same number of each class.
        draws: seeds of the choice of labelled examples, and of the estimators.
        made: estimators by name, `FIRST` among them.
        say: told each row as it is measured.

    Returns:
        `rows`, one dict a fit (`method`, `num_labels`, `draw`, `accuracy` in percent, `seconds`), and
        `table`, Markdown.

    Raises:
        SettingsError: a number of labels that the classes cannot give.
    """
    classes = len(np.unique(examples.train_targets))
    rows: list[dict[str, Any]] = []
    for draw in draws:
        chosen = label_indices(
            examples.train_targets, num_classes=classes, num_labels=num_labels,
            label_split="per_class", label_seed=draw,
        )  # fmt: skip
        for name, make in made.items():
            rows.append({"method": name, "num_labels": num_labels, "draw": draw})
            rows[-1] |= _measured(make(draw), examples, chosen, alone=name == FIRST)
            say("{method}, draw {draw}: {accuracy:.1f} %, {seconds:.1f} s".format(**rows[-1]))
    return {"data": examples.name, "rows": rows, "table": table(rows)}


def _measured(
    estimator: Any, examples: Examples, chosen: NDArray[np.int64], *, alone: bool
) -> dict[str, float]:
    """Accuracy in percent, and seconds of the fit."""
    y = np.full(len(examples.train), -1)
    y[chosen] = examples.train_targets[chosen]
    start = time.perf_counter()
    with np.errstate(invalid="ignore"):  # LabelSpreading divides by 0 where no label reaches
        if alone:
            estimator.fit(examples.train[chosen], y[chosen])
        else:
            estimator.fit(examples.train, y)
        seconds = time.perf_counter() - start
        right = estimator.predict(examples.test) == examples.test_targets
    return {"accuracy": round(100 * float(right.mean()), 4), "seconds": round(seconds, 3)}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Mean, deviation, paired gain over `FIRST` with its interval, Wilcoxon's p and seconds: Markdown.

    Args:
        rows: as `bench_estimators` makes them.
    """
    by_method: dict[str, list[float]] = {}
    for row in rows:
        by_method.setdefault(str(row["method"]), []).append(float(row["accuracy"]))
    lines = [
        "| | accuracy, % | gain | 95 % interval | p | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for name, values in by_method.items():
        spread = statistics.stdev(values) if len(values) > 1 else float("nan")
        seconds = statistics.median(float(r["seconds"]) for r in rows if r["method"] == name)
        gain = "| | |" if name == FIRST else _gain(by_method[FIRST], values)
        lines.append(
            f"| {name} | {statistics.mean(values):.1f} ± {spread:.1f} {gain} | {seconds:.1f} |"
        )
    return "\n".join(lines)


def _gain(first: Sequence[float], values: Sequence[float]) -> str:
    """Cells of a method's gain: mean, interval, two-sided p."""
    found = [b - a for a, b in zip(first, values, strict=True)]
    mean = statistics.mean(found)
    if len(found) < 2:
        return f"| {mean:+.1f} | |"
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(found) - 1)) * stats.sem(found)
    p = signed_rank(found).two_sided
    told = "" if p is None else f"{p:.3f}"
    return f"| {mean:+.1f} | {mean - half:+.1f} to {mean + half:+.1f} | {told}"


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a fit."""
    stream = io.StringIO()
    writer = csv.DictWriter(
        stream, ("num_labels", "draw", "method", "accuracy", "seconds"), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def examples_of(folder: Path | None) -> Examples:
    """The features in a folder, or the digits.

    Args:
        folder: of `usb-ext features`; None for the digits.

    Raises:
        DataMissing, SettingsError: as in `kept_features`.
    """
    if folder is None:
        return digits()
    if not folder.is_dir():
        raise SettingsError(f"--features is {folder}, which is no folder of `usb-ext features`")
    return kept_features(folder)
