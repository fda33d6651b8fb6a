"""What a person asks to be compared, by a command or from Python, and the comparison that comes of it.

Either methods are run on a grid of folds and numbers of labels, or runs that are there are reported on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from usb_ext.comparison.methods import Given, Method, Order, read_target
from usb_ext.core.errors import SettingsError
from usb_ext.settings import load_settings
from usb_ext.settings.model import default_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from usb_ext.comparison.cluster import Cluster
    from usb_ext.comparison.plan import Planned

METRICS = ("last", "best", "median20")
"""Of a run: its last evaluation, its best, the median of its last 20."""

TRAINS_NOTHING = "--from trains nothing; leave --cluster out"


@dataclass(frozen=True)
class Asked:
    """A wish for a comparison.

    Attributes:
        methods: what is compared, the first being what the others are measured against; none where `runs` is
            given.
        given: settings of all methods.
        runs: folders of runs that are there, to be reported on.
        seeds: training seeds; None for the settings'.
        label_seeds: seeds of the labelled images, paired with them; None for the same.
        num_labels: numbers of labels; None for the settings'.
        out: the comparison's folder; None is `save_dir/compare_NAME`.
        name: of that folder.
        metric: which leads, of `METRICS`.
        time_to: an accuracy, or a method's label, that the steps to it are counted for; None for none.
        against: another comparison, a folder or its name beside `out`; None for none.
        jobs: runs at a time, >= 1.
        allow_mixed: average runs of several commits and versions.
        retry: try failed runs again.
        train: run what is missing; otherwise report what is there.
        cluster: where runs become jobs; None runs them as processes of the command.
        command: what was asked, for the report.
    """

    methods: tuple[Method, ...] = ()
    given: Given = field(default_factory=lambda: Given({}, {}))
    runs: tuple[Path, ...] = ()
    seeds: tuple[int, ...] | None = None
    label_seeds: tuple[int, ...] | None = None
    num_labels: tuple[int, ...] | None = None
    out: Path | None = None
    name: str = "methods"
    metric: str = "last"
    time_to: str | None = None
    against: str | None = None
    jobs: int = 1
    allow_mixed: bool = False
    retry: bool = False
    train: bool = True
    cluster: "Cluster | None" = None
    command: str = ""

    @property
    def place(self) -> Path:
        """The comparison's folder."""
        if self.out is not None:
            return self.out.expanduser()
        place = str(self.given.value("save_dir") or default_of("save_dir"))
        return Path(place).expanduser() / f"compare_{self.name}"


def order_of(asked: Asked, labels: tuple[str, ...], about: Mapping[str, Any]) -> Order:
    """What is asked of a comparison, apart from its runs.

    Args:
        asked: the wish.
        labels: of the methods.
        about: what the report begins with, beside the command.

    Raises:
        SettingsError: a number or a word that is none of those allowed.
        DataMissing: there is no such comparison to hold this one against.
    """
    if asked.jobs < 1:
        raise SettingsError(f"--jobs is {asked.jobs}; it must be at least 1")
    if asked.metric not in METRICS:
        raise SettingsError(f"--metric is {asked.metric!r}; use {', '.join(METRICS)}")
    other = None
    if asked.against is not None:
        from usb_ext.comparison.against import read_other

        other = read_other(asked.against, asked.place)
    return Order(
        out=asked.place,
        metric=asked.metric,
        target=None if asked.time_to is None else read_target(asked.time_to, labels),
        jobs=asked.jobs,
        allow_mixed=asked.allow_mixed,
        retry=asked.retry,
        train=asked.train,
        about={"command": asked.command, **about},
        other=other,
        cluster=asked.cluster,
    )


def planned(asked: Asked) -> "tuple[list[Planned], Order]":
    """The runs of methods, and what is asked of them; nothing is touched.

    Args:
        asked: a wish with methods.

    Raises:
        SettingsError: settings that a method cannot take, or seeds and numbers that do not go together.
        DataMissing: as in `order_of`.
    """
    about: dict[str, dict[str, Any]] = {
        m.label: {"algorithm": m.algorithm, "settings": dict(m.values)} for m in asked.methods
    }
    labels = tuple(method.label for method in asked.methods)
    order = order_of(asked, labels, {"methods": about})
    plan = _plan(asked, order.out)
    for run in plan:
        about[run.method.label]["recipe"] = run.settings.recipe
    return plan, order


def _plan(asked: Asked, out: Path) -> "list[Planned]":
    from usb_ext.comparison.plan import make_plan, pair_seeds

    given, methods = asked.given, asked.methods
    usual: Any = given.value("num_labels") or default_of("num_labels")  # checked in `load_settings`
    counts = list(asked.num_labels or [usual])
    first = {"algorithm": methods[0].algorithm, "num_labels": counts[0], **methods[0].values}
    whole = load_settings(given.file, {**given.flags, **first}).settings
    folds = pair_seeds(asked.seeds, asked.label_seeds, whole)
    if len(set(counts)) < len(counts):
        raise SettingsError(f"--num-labels names a count twice: {' '.join(map(str, counts))}")
    return make_plan(given.file, methods, folds, sorted(counts), out, given.flags)


def compare_asked(
    asked: Asked, say: "Callable[[str], object] | None" = None
) -> tuple[dict[str, Any], Path]:
    """Run what is missing of methods and report, or report on runs that are there.

    Args:
        asked: the wish.
        say: shows a line to the person in front of it; None writes to stderr.

    Returns:
        The report, as `comparison.stage.compare` gives it, and the folder that holds it.

    Raises:
        SettingsError, DataMissing: before any run.
        Interrupted: after the checkpoints of what was running.
    """
    from usb_ext.comparison.processes import to_stderr

    if asked.runs:
        return _found(asked)
    plan, order = planned(asked)
    from usb_ext.comparison.as3l_stages import check_runs, with_stages
    from usb_ext.comparison.stage import compare

    shown = say or to_stderr
    if order.train:
        check_runs(plan)
    filled, prepare = with_stages(plan, shown)
    return compare(filled, order, say=shown, prepare=prepare), order.out


def _found(asked: Asked) -> tuple[dict[str, Any], Path]:
    """Report on finished runs."""
    if asked.cluster is not None:
        raise SettingsError(TRAINS_NOTHING)
    grid = (asked.seeds, asked.label_seeds, asked.num_labels)
    if asked.given.file or asked.given.flags or any(part is not None for part in grid):
        raise SettingsError(
            "--from reads finished runs; leave --c, settings, seeds and --num-labels out"
        )
    if asked.out is None:
        raise SettingsError("--from needs --out DIR, where the report is written")

    from usb_ext.comparison.found import found_entries
    from usb_ext.comparison.stage import report

    entries, methods, differing = found_entries(asked.runs)
    order = order_of(asked, tuple(methods), {"methods": methods, "differing": differing})
    return report(entries, order), order.out
