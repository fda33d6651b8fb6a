"""The files that AS3L's stages hand to training: their names hang on the settings alone (AS3L, Sec. 4)."""

from pathlib import Path
from typing import NamedTuple

from usb_ext.config.as3l import AUTO
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.settings import LoadedSettings, Settings, load_settings


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
    given = None if s.features is None else Path(s.features)
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
    }
    if s.consistency_features == AUTO:
        changed["consistency_features"] = str(made.features)
    if s.use_pretrain and s.pretrain_path == AUTO:
        changed["pretrain_path"] = str(made.features.parent / "backbone.pth")
    return load_settings(s.model_dump(), changed)
