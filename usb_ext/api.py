"""What Python calls at the top: `usb_ext.train`, `compare`, `predict`, `load_run`, `load_settings`.

Each does what the command of its name does, by the same function below, and speaks of keywords where the
command speaks of flags. It stands above all rooms, as `cli/` does for the command line; torch is imported
when a function is called.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from usb_ext.core.errors import SettingsError
from usb_ext.settings import LoadedSettings
from usb_ext.settings import load_settings as _load_settings
from usb_ext.settings.keywords import as_keywords, in_keywords

if TYPE_CHECKING:
    from usb_ext.comparison.methods import Given
    from usb_ext.core.result import RunResult
    from usb_ext.serving.predict import FilePredictions
    from usb_ext.training.load import TrainedRun, Which

Source: TypeAlias = str | Path | Mapping[str, object] | None
"""A YAML file, the name of one that comes with the package, settings by name, or None for the defaults."""


@in_keywords
def load_settings(
    source: Source = None, overrides: Mapping[str, object] | None = None
) -> LoadedSettings:
    """Settings from a YAML file (or a mapping such as one) and overrides, checked.

    Args:
        source: path of a YAML file, name of one that comes with the package, its content as a mapping,
            or None for the defaults alone.
        overrides: values that win over the source, as the command line gives them. Where they name another
            method than the source, its published settings take the place of the source's.

    Raises:
        SettingsError: the file cannot be read, or a name, a value or a combination is wrong.
    """
    return _load_settings(source, overrides)


@in_keywords
def train(settings: Source = None, /, **overrides: object) -> "RunResult":
    """Train one run; what `usb-ext train` does, from Python.

    Args:
        settings: a YAML file, the name of one that comes with the package (`usb-ext configs` lists them), or
            settings by name; None for the defaults.
        **overrides: settings that win over those.

    Returns:
        The record of the run, with the fields of its `result.json`.

    Raises:
        UsbExtError: one of its kinds, with a one-line message.
        Interrupted: Ctrl-C or SIGTERM, after a checkpoint.
    """
    from usb_ext.as3l.driver import with_stages
    from usb_ext.training.together import together
    from usb_ext.training.train import train as run_train

    loaded = _load_settings(settings, overrides)
    with together(loaded.settings):
        return run_train(with_stages(loaded))


@in_keywords
def load_run(
    folder: str | Path,
    *,
    which: "Which" = "latest",
    device: str = "auto",
    plugin: str | Path | None = None,
) -> "TrainedRun":
    """Open a run by its folder; neither its data set nor its pre-trained weights are needed.

    Args:
        folder: what a run left, `save_dir/save_name`; it may still be training.
        which: the newest checkpoint (latest), the one that was best on the evaluation split (best), or the
            one before the newest (previous).
        device: where the network goes: auto, cpu, mps, cuda or cuda:N.
        plugin: the run's plugin, where it does not lie where it lay.

    Returns:
        Its settings, network, classes, transform and record.

    Raises:
        DataMissing: no such folder, no checkpoint yet, or a file that is damaged.
        SettingsError: an argument that is wrong, another network than the run's, or a run on texts or sounds.
    """
    from usb_ext.training.load import load_run as open_run

    return open_run(folder, which=which, device=device, plugin=plugin)


@in_keywords
def predict(
    run: str | Path,
    images: str | Path | Sequence[str | Path],
    *,
    out: str | Path | None = None,
    which: "Which" = "latest",
    device: str = "auto",
    batch_size: int | None = None,
    sort_into: str | Path | None = None,
    overwrite: bool = False,
    plugin: str | Path | None = None,
) -> "FilePredictions":
    """The class of every image in files and folders; what `usb-ext predict` does, from Python.

    For images in memory, or to predict many times, open the run once: `load_run(run).predict(images)`.

    Args:
        run: a run's folder.
        images: image files, and folders of them at any depth; or one of those.
        out: CSV to write, as the command does; None writes nothing.
        which: as in `load_run`, like `device` and `plugin`.
        device: where the network goes.
        batch_size: images at once; None is the package's choice.
        sort_into: folder that gets a copy of each image, in a folder a class.
        overwrite: replace a CSV that the package wrote.
        plugin: the run's plugin, where it does not lie where it lay.

    Returns:
        Files, classes and probabilities, and the files that could not be decoded.

    Raises:
        DataMissing: the run, a place or every image is missing or cannot be read.
        SettingsError: a run on points or texts, or a file or folder that may not be written.
    """
    from usb_ext.serving.predict import PredictOrder, predict_files_of

    places = [images] if isinstance(images, str | Path) else list(images)
    size = {} if batch_size is None else {"batch_size": batch_size}
    return predict_files_of(
        PredictOrder(
            run=Path(run).expanduser(),
            places=[str(place) for place in places],
            out=None if out is None else Path(out).expanduser(),
            which=which,
            device=device,
            sort_into=None if sort_into is None else Path(sort_into).expanduser(),
            overwrite=overwrite,
            plugin=plugin,
            **size,
        )
    )


@in_keywords
def compare(
    settings: Source = None,
    /,
    *,
    methods: Sequence[str] | Mapping[str, Mapping[str, object]] = (),
    paper: str | None = None,
    cell: str | None = None,
    runs: Sequence[str | Path] = (),
    seeds: Sequence[int] | None = None,
    label_seeds: Sequence[int] | None = None,
    num_labels: int | Sequence[int] | None = None,
    out: str | Path | None = None,
    metric: str = "last",
    time_to: float | str | None = None,
    against: str | Path | None = None,
    jobs: int = 1,
    train: bool = True,
    retry: bool = False,
    allow_mixed: bool = False,
    cluster: str | None = None,
    partition: str | None = None,
    gpus: int | None = None,
    time: str | int | None = None,
    max_running: int | None = None,
    sbatch: Mapping[str, object] | None = None,
    **overrides: object,
) -> dict[str, Any]:
    """Run methods on the same folds, then test and tell; what `usb-ext compare` does, from Python.

    Args:
        settings: of all runs, as in `train`; a method other than the file's has its own recipe.
        methods: the first is what the others are measured against. Texts as on the command line
            ("fixmatch:p_cutoff=0.9", "LABEL=fixmatch"), or settings by label, among them `algorithm`.
        paper: all rows of a paper's table as methods, such as "layermatch-1".
        cell: which cell of it, such as "cifar10/10".
        runs: folders of finished runs to report on, in the place of methods; nothing is trained.
        seeds: training seeds.
        label_seeds: seeds of the labelled images, paired with them; None for the same.
        num_labels: one number of labels, or several.
        out: folder of the comparison; None is `save_dir/compare_NAME`.
        metric: last, best or median20.
        time_to: an accuracy in (0, 1], or a method's label, that the steps to it are counted for.
        against: another comparison that each method's own runs are held against.
        jobs: runs at a time.
        train: run what is missing; otherwise report what is there.
        retry: try failed runs again.
        allow_mixed: average runs of several commits and versions.
        cluster: slurm or local makes each missing run a job, which goes on without this process.
        partition: of Slurm; None for its default.
        gpus: GPUs a run; above 1 it is trained by as many processes.
        time: after which a job makes a checkpoint and is queued again: minutes, or as Slurm writes it
            ("4:00:00").
        max_running: jobs at a time.
        sbatch: more of sbatch's options by name, such as {"mem": "32G"}.
        **overrides: settings that win over those, for all methods.

    Returns:
        What `compare.json` holds (`runs` has an entry a run), with `page`, the report as Markdown, and
        `folder`, where it lies.

    Raises:
        SettingsError, DataMissing: before any run.
        Interrupted: after the checkpoints of what was running, or after the report of what is finished where
            jobs go on; the same call goes on.
    """
    from usb_ext.comparison.asked import Asked, compare_asked
    from usb_ext.comparison.cluster import cluster_from
    from usb_ext.comparison.methods import methods_of
    from usb_ext.comparison.processes import to_stderr

    if sum(map(bool, (methods, paper, runs))) != 1:
        raise SettingsError("compare needs methods, or paper and cell, or runs: one of the three")
    if cell and not paper:
        raise SettingsError(f"cell is {cell!r}, a cell of a table; name it with paper")
    given, name = _given(settings, overrides)
    options = None if sbatch is None else [f"{name}={value}" for name, value in sbatch.items()]
    words = {"partition": partition, "gpus": gpus, "max_running": max_running, "sbatch": options}
    words["time"] = None if time is None else str(time)
    asked = Asked(
        methods=methods_of(methods),
        given=given,
        seeds=_numbers(seeds),
        label_seeds=_numbers(label_seeds),
        num_labels=_numbers(num_labels),
        out=None if out is None else Path(out),
        name=name,
        metric=metric,
        time_to=None if time_to is None else str(time_to),
        against=None if against is None else str(against),
        jobs=jobs,
        allow_mixed=allow_mixed,
        retry=retry,
        train=train,
        cluster=cluster_from(cluster, jobs, words),
        command="usb_ext.compare",
    )
    if paper:
        from usb_ext.papers.rows import of_cell

        asked, _ = of_cell(asked, paper, cell, own_file=settings is not None)
    if runs:
        from usb_ext.papers.found_runs import folders_of_runs

        asked = replace(asked, runs=folders_of_runs(runs))
    made, folder = compare_asked(asked, lambda text: to_stderr(as_keywords(text)))
    return {**made, "folder": folder}


def _given(settings: Source, overrides: Mapping[str, object]) -> "tuple[Given, str]":
    """The settings that all methods share, and what the comparison's folder is named after."""
    from usb_ext.comparison.methods import OWN, Given, settings_of_file

    if own := sorted(OWN & overrides.keys()):
        raise SettingsError(
            f"{', '.join(own)}: the comparison sets this itself; use methods and seeds"
        )
    if isinstance(settings, Mapping):
        file = {name: value for name, value in settings.items() if name != "overwrite"}
        return Given(file, dict(overrides)), "methods"
    if settings is None:
        return Given({}, dict(overrides)), "methods"
    return Given(settings_of_file(settings), dict(overrides)), Path(settings).stem


def _numbers(values: int | Sequence[int] | None) -> tuple[int, ...] | None:
    if values is None:
        return None
    return (values,) if isinstance(values, int) else tuple(values)
