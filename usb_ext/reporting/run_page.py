"""The page of a run: what was asked, what came out, what it looks like, and what is not known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usb_ext.core.result import RunResult, percent
from usb_ext.inference.inputs import One
from usb_ext.plots.pictures import draw_curves
from usb_ext.reporting.own_data import Examples
from usb_ext.reporting.page import Cell, Figure, Grid, Page, Section, plain
from usb_ext.reporting.pictures import draw_reliability, drawn, thumbnail
from usb_ext.serving.evaluate import told_share
from usb_ext.serving.scores import Measured, Share, by_class, emptied_classes, row_shares
from usb_ext.settings import Settings

IntArray = NDArray[np.int64]
MOST_CLASSES = 30
"""ours: classes up to which the whole confusion matrix stands there; beyond, its largest entries."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """What the run says of images whose classes are known.

    Attributes:
        measured: the numbers.
        items: the images.
        names: what they are called.
        where: what they are, in words.
    """

    measured: Measured
    items: Sequence[One]
    names: Sequence[str]
    where: str


@dataclass(frozen=True, eq=False)
class RunFacts:
    """All that is known of a run.

    Attributes:
        name: of its folder.
        settings: of the run.
        result: its record, None while it has not ended.
        classes: names; numbers where the names are not known.
        rows: of its `metrics.jsonl`.
        confusion: (K, K) as the run recorded it at its last evaluation, or None.
        measurement: what it says of images now, or None.
        check: accuracy on the check in its folder, where `measurement` is of other images; else None.
        labelled: the images with labels, or None.
        num_labelled: how many there are.
        unknown: what is not known, and why.
    """

    name: str
    settings: Settings
    result: RunResult | None
    classes: tuple[str, ...]
    rows: list[dict[str, float]]
    confusion: IntArray | None
    measurement: Measurement | None
    check: Share | None
    labelled: Examples | None
    num_labelled: int | None
    unknown: tuple[str, ...]


def run_page(facts: RunFacts, most: int) -> Page:
    """The page.

    Args:
        facts: of the run.
        most: images in each gallery.
    """
    sections = [_asked(facts), _curves(facts)]
    confusion = (
        facts.confusion if facts.measurement is None else facts.measurement.measured.confusion
    )
    if confusion is not None:
        sections += _classes(confusion, facts)
    if facts.measurement is not None:
        sections += _measured(facts.measurement, facts.classes, most)
    if facts.labelled is not None:
        sections.append(_labelled(facts.labelled, facts, most))
    sections += [_settings(facts.settings), *_versions(facts.result)]
    return Page(f"Run {facts.name}", _summary(facts, confusion), facts.unknown, sections)


def _summary(facts: RunFacts, confusion: IntArray | None) -> list[str]:
    s = facts.settings
    lines = [f"{s.algorithm} on {s.dataset}, {facts.num_labelled or s.num_labels} labels"]
    if facts.measurement is not None:
        share, where = facts.measurement.measured.accuracy, facts.measurement.where
        lines.append(f"Accuracy {told_share(share)} on {share.n} images: {where}.")
    elif confusion is not None and confusion.sum():
        share = Share(int(np.trace(confusion)), int(confusion.sum()))
        lines.append(f"Accuracy {told_share(share)} on {share.n} images, as the run recorded it.")
    else:
        lines.append("Accuracy: not known.")
    if facts.check is not None:
        lines.append(
            f"Accuracy {told_share(facts.check)} on {facts.check.n} random images that were labelled blind "
            "to the run (check.csv)."
        )
    return lines


def _asked(facts: RunFacts) -> Section:
    """What was asked for, and how far it got."""
    s, result = facts.settings, facts.result
    labelled = facts.num_labelled if facts.num_labelled is not None else s.num_labels
    values = [
        ("algorithm", s.algorithm),
        ("extensions", ", ".join(s.active_extensions) or "none"),
        ("data set", f"{s.dataset}, {s.num_classes} classes"),
        ("labelled images", str(labelled)),
        ("network", f"{s.net}, images of {s.img_size} pixels"),
        ("weights at the start", s.pretrain_path or "by chance"),
        ("steps asked for", str(s.num_train_iter)),
        ("seed, label seed", f"{s.seed}, {s.split_seed}"),
    ]
    if result is None:
        return Section("What was asked", ["The run has not ended."], values)
    values += [
        ("status", f"{result.status} after step {result.iterations}"),
        (
            "time",
            f"{result.seconds:.0f} s, {result.it_per_s:.1f} steps a second on {result.device}",
        ),
        ("accuracy, last weights", percent(result.top1_last)),
        ("accuracy, best weights", percent(result.top1_best)),
        ("best chosen on", result.best_chosen_on),
    ]
    if result.test_top1_last is not None:
        values.append(("accuracy on a separate test split", percent(result.test_top1_last)))
    return Section("What was asked", (), values)


def _curves(facts: RunFacts) -> Section:
    if not facts.rows:
        return Section("Curves", ["Nothing has been logged."])
    address = drawn(lambda path: draw_curves(facts.rows, path, facts.name))
    return Section("Curves", picture=Figure(address, ["over steps, as in metrics.jsonl"]))


def _classes(confusion: IntArray, facts: RunFacts) -> list[Section]:
    """Confusion and classes, emptied ones named."""
    names = [facts.classes[c] for c in emptied_classes(confusion)]
    lines = [
        f"Classes that emptied (predicted for less than a tenth of their images): {_list(names)}."
    ]
    drop = None if facts.result is None else facts.result.instability
    if drop is not None:
        then = [facts.classes[c] for c in drop["emptied_classes"]]
        lines.append(
            f"Largest drop of accuracy below its best so far: {100 * drop['largest_drop']:.1f} points at "
            f"step {drop['it']}; classes that emptied then: {_list(then)}."
        )
    rows = [
        [c.name, str(c.recall.n), str(c.recall.hits), told_share(c.recall), str(c.precision.n),
         told_share(c.precision)]
        for c in by_class(confusion, facts.classes)
    ]  # fmt: skip
    header = ("class", "images", "found", "recall", "predicted", "precision")
    per_class = plain("", header, rows, "intervals: Wilson's")
    return [
        Section("Confusion", grids=_confusion(confusion, facts.classes)),
        Section("Classes", lines, grids=[per_class]),
    ]


def _confusion(confusion: IntArray, classes: Sequence[str]) -> list[Grid]:
    """Counts and row percent, or of many classes the largest confusions."""
    shares = row_shares(confusion)
    if len(classes) > MOST_CLASSES:
        off = confusion - np.diag(np.diag(confusion))
        order = np.argsort(-off, axis=None, kind="stable")[:MOST_CLASSES]
        places = [divmod(int(i), len(classes)) for i in order]
        rows = [
            [classes[t], classes[p], str(confusion[t, p]), f"{shares[t, p]:.1f}"]
            for t, p in places
            if off[t, p]
        ]
        return [plain("The most frequent confusions", ("true", "predicted", "images", "%"), rows)]
    header = ("true \\ predicted", *classes)
    grids = []
    for title, values, form in (("Images", confusion, "d"), ("Percent of the row", shares, ".1f")):
        rows_of_cells = [
            [Cell(name), *(Cell(format(v, form), s / 100) for v, s in zip(row, share, strict=True))]
            for name, row, share in zip(classes, values.tolist(), shares.tolist(), strict=True)
        ]
        grids.append(Grid(title, header, rows_of_cells))
    return grids


def _measured(found: Measurement, classes: Sequence[str], most: int) -> list[Section]:
    """Calibration and the worst images."""
    measured = found.measured
    rows = [
        [f"{b.low:.2f} to {b.high:.2f}", str(b.n), f"{b.confidence:.3f}", f"{b.accuracy:.3f}"]
        for b in measured.bins
        if b.confidence is not None and b.accuracy is not None
    ]
    table = plain("", ("probability", "images", "mean probability", "share right"), rows)
    error = (
        f"Expected calibration error ({len(measured.bins)} bins): {measured.calibration_error:.3f}."
    )
    wrong, unsure = measured.surely_wrong(most), measured.least_sure(most)
    count = int((~measured.right).sum())
    return [
        Section("Calibration", [error], picture=Figure(draw_reliability(measured.bins), []), grids=[table]),
        Section(
            "Most surely wrong", [f"{len(wrong)} of {count} wrong ones, the surest first."],
            gallery=[_shown(found, i, classes) for i in wrong],
        ),
        Section(
            "Least sure", ["Those whose two most probable classes lie closest together."],
            gallery=[_shown(found, i, classes) for i in unsure],
        ),
    ]  # fmt: skip


def _shown(found: Measurement, position: int, classes: Sequence[str]) -> Figure:
    m = found.measured
    said, true = classes[int(m.predicted[position])], classes[int(m.targets[position])]
    verdict = f"{said}, right" if said == true else f"{said}, is {true}"
    caption = [verdict, f"{100 * m.confidence[position]:.1f} %", found.names[position]]
    return Figure(thumbnail(found.items[position]), caption)


def _labelled(examples: Examples, facts: RunFacts, most: int) -> Section:
    shown = [
        Figure(thumbnail(item), [facts.classes[t] if t >= 0 else "class not known", name])
        for item, name, t in zip(examples.items, examples.names, examples.targets, strict=True)
    ]
    total = facts.num_labelled or len(shown)
    lines = [f"{min(most, len(shown))} of {total} labelled images."]
    return Section("Labels", lines, gallery=shown[:most])


def _settings(settings: Settings) -> Section:
    values = settings.model_dump(mode="json")
    return Section(
        "Settings", facts=[(k, str(v)) for k, v in values.items() if v is not None], folded=True
    )


def _versions(result: RunResult | None) -> list[Section]:
    if result is None:
        return []
    values = [*result.versions.items(), ("commit", result.commit or "not known")]
    values += [
        ("settings, SHA-256", result.config_sha256),
        ("data, SHA-256", result.data_sha256 or "none"),
    ]
    return [Section("Versions", facts=values, folded=True)]


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
