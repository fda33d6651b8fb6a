"""From unlabelled images to a trained model, stage by stage (AS3L, Sec. 4).

Pre-training, choice of images, spread of their labels, training. The stages talk through files, whose names
hang on the settings alone; each is a command of its own too, and each is skipped where what it makes is
there from the same settings.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.files import file_sha256, is_done, read_json
from usb_ext.core.folders import has_checkpoint
from usb_ext.core.outputs import claim_outputs, stage_output
from usb_ext.core.processes import ALONE, by_first, entered, world
from usb_ext.core.result import percent
from usb_ext.settings import LoadedSettings, Settings, config_sha256, load_settings
from usb_ext.settings.as3l import AUTO, TO_LABEL, usl_of
from usb_ext.settings.feature_set import FEATURES
from usb_ext.settings.stage_values import PROPAGATE, SELECT, stage_values

if TYPE_CHECKING:
    from usb_ext.data.fingerprint import Fingerprint


class Made(NamedTuple):
    """What the stages before training leave, or what the settings name in its place.

    Attributes:
        features: features of all images.
        selected: the images to label, or a person's list of them.
        labels: a person's CSV; None takes the data set's classes.
        prior: prior pseudo-labels; None where no prior is wanted.
    """

    features: Path
    selected: Path
    labels: Path | None
    prior: Path | None


def wants_stages(settings: Settings) -> bool:
    """Whether a run needs a file that a stage before it makes."""
    s = settings
    named = [s.label_file, s.prior_file, s.consistency_features]
    return AUTO in [*named, s.pretrain_path if s.use_pretrain else None]


def check(settings: Settings) -> None:
    """Refuse settings that do not lead from stage to stage.

    Raises:
        SettingsError: what contradicts what.
        DataMissing: a file of the user's that is not there.
    """
    s = settings
    if s.label_split != "file":
        raise SettingsError(
            f"AS3L chooses the labelled images itself, but label_split is {s.label_split}; use "
            f"label_split: file with label_file: {AUTO}; for a random choice as3l_strategy: random"
        )
    if s.features is not None and s.use_pretrain and s.pretrain_path == AUTO:
        raise SettingsError(
            f"features are given ({s.features}), so there is no pre-training that would make "
            f"pretrain_path: {AUTO}; name the file of weights, or use use_pretrain: False"
        )
    if s.as3l_clusters and min(s.as3l_clusters) < s.num_classes:
        raise SettingsError(
            f"as3l_clusters holds {min(s.as3l_clusters)}, but there are {s.num_classes} classes; each must "
            f"be at least {s.num_classes}"
        )
    for name in ("features", "label_file", "prior_file", "as3l_labels"):
        given = getattr(s, name)
        if given not in (None, AUTO) and not Path(given).is_file():
            raise DataMissing(f"{name} is {given!r}, and there is no such file")


def made_files(settings: Settings) -> Made:
    """Where the files of a run are or will be."""
    from usb_ext.as3l.pretrain.made import pretrain_folder

    s, folder = settings, labels_folder(settings)
    given = _given_features(s)
    chosen = folder / "selected.json" if s.label_file == AUTO else Path(s.label_file or "")
    person = s.as3l_labels or (str(chosen) if chosen.suffix.lower() == ".csv" else None)
    prior = None if s.prior_file in (None, AUTO) else Path(str(s.prior_file))
    if s.prior_file == AUTO and "prior_label" in s.active_extensions:
        prior = folder / "prior.npz"
    return Made(
        features=given or pretrain_folder(s) / "features.npz",
        selected=chosen,
        labels=None if person is None else Path(person),
        prior=prior,
    )


def _given_features(s: Settings) -> Path | None:
    """Features that are there already: a file that is named, or those that the run is on."""
    if s.features is None and s.dataset == FEATURES:
        from usb_ext.data.feature_views import PLAIN, REDUCED, feature_folder

        folder = feature_folder(s)  # of an older version: without reduced ones
        return folder / (REDUCED if (folder / REDUCED).is_file() else PLAIN)
    return None if s.features is None else Path(s.features)


def labels_folder(settings: Settings) -> Path:
    """Where the choice and its prior pseudo-labels lie: save_dir/as3l_name."""
    s = settings
    made = f"labels_{s.dataset}_{s.as3l_strategy}_{s.num_labels}_s{s.split_seed}"
    return Path(s.save_dir) / (s.as3l_name or made)


def ready(settings: Settings) -> LoadedSettings:
    """The settings with the made files in place of `auto`, as training takes them.

    Raises:
        SettingsError: settings that contradict each other.
    """
    s, made = settings, made_files(settings)
    changed: dict[str, object] = {
        "label_file": str(made.labels or made.selected),
        "prior_file": None if made.prior is None else str(made.prior),
        "overwrite": s.overwrite,
        "save_tag": s.save_tag,  # the run's folder is the one that the settings name
    }
    if s.consistency_features == AUTO:
        changed["consistency_features"] = str(made.features)
    if s.use_pretrain and s.pretrain_path == AUTO:
        changed["pretrain_path"] = str(made.features.parent / "backbone.pth")
    return load_settings(s.model_dump(), changed)


Show = Callable[[str], object]
"""Shows a text, a line a stage."""


def make(settings: Settings, show: Show) -> None:
    """Make what a run needs, as far as it is not there: features, images to label, their labels spread.

    Of several processes that have met, each calls this: all pre-train, the first one does the rest.

    Args:
        settings: of the run, with `auto` for what is to be made.
        show: prints a text, a line a stage.

    Raises:
        SettingsError: settings that do not lead from stage to stage, or outputs of other settings.
        DataMissing, RunFailed, Interrupted: as in the stages.
    """
    check(settings)
    by_first(lambda: _check_classes(settings))
    pretrain_features(settings, show)
    by_first(lambda: _make_alone(settings, show))


def _make_alone(settings: Settings, show: Show) -> None:
    """What one process does: the choice, and the spread of labels."""
    files = made_files(settings)
    with entered(ALONE):
        choose(settings, files, show)
        check_labelled(files)
        spread(settings, files, show)


def check_labelled(files: Made) -> None:
    """Stop where a person has to say what the chosen images are.

    Raises:
        DataMissing: the file to fill in, and how to go on.
    """
    unfilled = files.selected.with_name(TO_LABEL)
    if files.labels is None and unfilled.is_file():
        raise DataMissing(
            f"the classes of the chosen images are not known: fill in {unfilled} (id,class), then give "
            f"--as3l_labels {unfilled}; what is made by now is kept"
        )


def _check_classes(s: Settings) -> None:
    """Refuse class folders that do not fit the settings, before the long pre-training and not after it.

    Where a person gives the classes in a CSV, folders need not show all of them.

    Raises:
        SettingsError: the classes with their counts.
    """
    from usb_ext.data.sets import open_source
    from usb_ext.data.survey import check_classes

    scan = open_source(s, images_alone=True).scan if s.dataset == "imagefolder" else None
    if scan is not None and scan.classes and made_files(s).labels is None:
        check_classes(s, scan)


def pretrain_features(settings: Settings, show: Show) -> None:
    """Make the features file, if it is not there. `--overwrite` leaves it: pre-training takes long.

    Args:
        settings: of the run.
        show: prints a text.
    """
    from usb_ext.as3l.pretrain.stage import pretrain
    from usb_ext.training.together import check_alone

    if world().size == 1:
        check_alone(os.environ, "this stage")
    given = _given_features(settings)
    changed = {"overwrite": False, "resume": given is None, "features": given and str(given)}
    told = pretrain(load_settings(settings.model_dump(), changed))
    if world().first:
        show(told)


def train_on_made(settings: Settings) -> str:
    """Train on what the stages made; a run that is through is not run again.

    Args:
        settings: of the run, whose files `make` has made.

    Returns:
        A line with the accuracy and the record's place.
    """
    from usb_ext.data.fingerprint import fingerprint_of
    from usb_ext.data.sets import open_source
    from usb_ext.training.compose import algorithm_classes, resolved
    from usb_ext.training.train import train

    def begin() -> LoadedSettings | str:
        """The settings of a run to train, or what is said of one that is through."""
        s, loaded = settings, ready(settings)
        wanted = config_sha256(resolved(loaded.settings, algorithm_classes(loaded.settings)))
        record = s.run_dir / "result.json"
        if not s.overwrite and (result := _result(record)) is not None:
            if result.get("status") == "completed" and result.get("config_sha256") == wanted:
                now = fingerprint_of(loaded.settings, open_source(loaded.settings))
                _check_data(s, s.run_dir, record, now)
                return f"trained before: top1_last {percent(result.get('top1_last'))}  {record}"
        if has_checkpoint(s.run_dir) and not s.overwrite:
            return load_settings(loaded.settings.model_dump(), {"resume": True})
        return loaded

    loaded = by_first(begin)
    if isinstance(loaded, str):
        return loaded
    done = train(loaded)
    return f"top1_last {percent(done.top1_last)}  {done.path}/result.json"


def _result(record: Path) -> dict[str, Any] | None:
    """A run's record; None where there is none that can be read, so that the run goes on."""
    try:
        found = read_json(record, "the record of the run", "")
    except DataMissing:
        return None
    return found if isinstance(found, dict) else None


def choose(s: Settings, files: Made, show: Show) -> None:
    """Make the selection, if it is to be made and not there.

    Args:
        s: settings of the run.
        files: where everything is.
        show: prints a text.
    """
    if s.label_file != AUTO:
        return
    features, made = files.features, files.selected
    folder = made.parent
    inputs = {**stage_values(s, SELECT), "seed": s.split_seed, "features": file_sha256(features)}
    usl = usl_of(s.as3l_usl, s.dataset)
    if s.as3l_strategy == "usl" and usl != "cifar10":  # which choices of older versions do not say
        inputs["usl"] = usl
    if s.as3l_choose_on != "auto":
        inputs["as3l_choose_on"] = s.as3l_choose_on
    if is_done(made, inputs, overwrite=s.overwrite):
        _check_data(s, made.parent, made)
        show(f"images chosen before: {made}")
        return
    from usb_ext.as3l.clustering.fine_tuning import Tuning
    from usb_ext.as3l.select.stage import SelectOrder, select_images

    with stage_output(made, inputs, "--as3l_name"):
        order = SelectOrder(
            features=_candidates(s, features, folder),
            budget=s.num_labels,
            strategy=s.as3l_strategy,
            seed=s.split_seed,
            out=folder,
            tuning=Tuning(*_tuning(s)),
            device=s.device,
            usl=usl,
            space=s.as3l_choose_on,
        )
        show(select_images(order, s))


def _candidates(s: Settings, features: Path, folder: Path) -> Path:
    """The features of the images that may be chosen: the file itself, or one of those of known class."""
    if s.as3l_candidates == "all":
        return features
    from dataclasses import replace

    from usb_ext.as3l.inputs.feature_images import images_of
    from usb_ext.data.features import read_features, write_features

    whole = read_features(features)
    targets = images_of(whole, features, s).targets
    rows = None if targets is None else targets >= 0
    if targets is None or rows is None or not rows.any():
        raise SettingsError(
            f"as3l_candidates is known, but no class of {s.dataset} is; use as3l_candidates: all"
        )
    part = replace(whole, values=whole.values[rows], ids=whole.ids[rows], targets=targets[rows])
    claim_outputs(folder, ["candidates.npz"], "--as3l_name")
    write_features(folder / "candidates.npz", part)
    return folder / "candidates.npz"


def spread(s: Settings, files: Made, show: Show) -> None:
    """Make the prior pseudo-labels, if they are wanted and not there.

    Args:
        s: settings of the run.
        files: where everything is.
        show: prints a text.
    """
    features, selected, csv, made = files
    if made is None or s.prior_file != AUTO:
        return
    check_labelled(files)
    read = {"features": features, "selected": selected, "labels": csv}
    inputs = {**stage_values(s, PROPAGATE), "seed": s.split_seed}
    inputs |= {name: file_sha256(path) for name, path in read.items() if path is not None}
    if is_done(made, inputs, overwrite=s.overwrite):
        _check_data(s, made.parent, made)
        show(f"prior pseudo-labels made before: {made}")
        return
    from usb_ext.as3l.clustering.fine_tuning import Tuning
    from usb_ext.as3l.propagate.stage import PropagateOrder, propagate_labels

    order = PropagateOrder(
        features=features,
        selected=selected if selected.suffix.lower() == ".json" else None,
        labels=csv,
        clusters=s.as3l_clusters,
        method=s.as3l_method,
        split=s.as3l_seeding == "split",
        normaliser=s.as3l_normaliser,
        seed=s.split_seed,
        out=made.parent,
        tuning=Tuning(*_tuning(s)),
        device=s.device,
    )
    with stage_output(made, inputs, "--as3l_name"):
        show(propagate_labels(order, s))


def _check_data(s: Settings, folder: Path, made: Path, now: "Fingerprint | None" = None) -> None:
    """Refuse a file that is there and was made from other images.

    Raises:
        SettingsError: what differs.
    """
    from usb_ext.data.fingerprint import refuse_other_data, training_images

    remedy = (
        "name the data that it was made from with --data_dir, or make it again with --overwrite"
    )
    refuse_other_data(folder, now or training_images(s), str(made), remedy)


def _tuning(s: Settings) -> tuple[int, int, str, int | None]:
    return (s.as3l_runs, s.as3l_tune_epochs, s.as3l_normalise, s.as3l_points_per_center)
