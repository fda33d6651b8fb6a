"""The files that AS3L's stages hand to training: their names hang on the settings alone (AS3L, Sec. 4)."""

from pathlib import Path
from typing import NamedTuple

from usb_ext.config import LoadedSettings, Settings, load_settings
from usb_ext.config.as3l import AUTO


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


def made_files(settings: Settings) -> Made:
    """Where the files of a run are or will be."""
    from usb_ext.pretraining.made import pretrain_folder

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
