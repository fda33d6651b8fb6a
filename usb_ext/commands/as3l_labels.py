"""The middle stages of `usb-ext as3l`: images to label, and their labels spread (AS3L, Secs. 4.3 and 4.4)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from usb_ext.config import Settings
from usb_ext.config.as3l import AUTO
from usb_ext.config.stage_values import PROPAGATE, SELECT, stage_values
from usb_ext.errors import SettingsError
from usb_ext.stage_record import file_sha256, finish_stage, is_done

Show = Callable[[str], int]


def labels_folder(settings: Settings) -> Path:
    """Where the choice and its prior pseudo-labels lie: save_dir/as3l_name."""
    s = settings
    made = f"labels_{s.dataset}_{s.as3l_strategy}_{s.num_labels}_s{s.split_seed}"
    return Path(s.save_dir) / (s.as3l_name or made)


def choose(s: Settings, features: Path, show: Show) -> Path:
    """The selection, made if it is not there."""
    if s.label_file != AUTO:
        return Path(s.label_file or "")
    folder = labels_folder(s)
    made = folder / "selected.json"
    inputs = {**stage_values(s, SELECT), "seed": s.split_seed, "features": file_sha256(features)}
    if is_done(made, inputs, overwrite=s.overwrite):
        show(f"images chosen before: {made}")
        return made
    from usb_ext.functional.fine_features import Tuning
    from usb_ext.stages.select import SelectOrder, select_images

    order = SelectOrder(
        features=_candidates(s, features, folder),
        budget=s.num_labels,
        strategy=s.as3l_strategy,
        seed=s.split_seed,
        out=folder,
        tuning=Tuning(*_tuning(s)),
        device=s.device,
    )
    show(select_images(order, s))
    finish_stage(made, inputs)
    return made


def _candidates(s: Settings, features: Path, folder: Path) -> Path:
    """The features of the images that may be chosen: the file itself, or one of those of known class."""
    if s.as3l_candidates == "all":
        return features
    from dataclasses import replace

    from usb_ext.data.feature_images import images_of
    from usb_ext.data.features import read_features, write_features

    whole = read_features(features)
    targets = images_of(whole, features, s).targets
    rows = None if targets is None else targets >= 0
    if targets is None or rows is None or not rows.any():
        raise SettingsError(
            f"as3l_candidates is known, but no class of {s.dataset} is; use as3l_candidates: all"
        )
    part = replace(whole, values=whole.values[rows], ids=whole.ids[rows], targets=targets[rows])
    write_features(folder / "candidates.npz", part)
    return folder / "candidates.npz"


def spread(s: Settings, features: Path, selected: Path, show: Show) -> Path | None:
    """The prior pseudo-labels, made if they are wanted and not there."""
    if "prior_label" not in s.active_extensions or s.prior_file != AUTO:
        return None if s.prior_file in (None, AUTO) else Path(s.prior_file)
    folder = labels_folder(s)
    made, csv = folder / "prior.npz", csv_of(s, selected)
    files = {"features": features, "selected": selected, "labels": csv}
    inputs = {**stage_values(s, PROPAGATE), "seed": s.split_seed}
    inputs |= {name: file_sha256(path) for name, path in files.items() if path is not None}
    if is_done(made, inputs, overwrite=s.overwrite):
        show(f"prior pseudo-labels made before: {made}")
        return made
    from usb_ext.functional.fine_features import Tuning
    from usb_ext.stages.propagate import PropagateOrder, propagate_labels

    order = PropagateOrder(
        features=features,
        selected=selected if selected.suffix.lower() == ".json" else None,
        labels=csv,
        clusters=s.as3l_clusters,
        method=s.as3l_method,
        split=s.as3l_seeding == "split",
        normaliser=s.as3l_normaliser,
        seed=s.split_seed,
        out=folder,
        tuning=Tuning(*_tuning(s)),
        device=s.device,
    )
    show(propagate_labels(order, s))
    finish_stage(made, inputs)
    return made


def csv_of(s: Settings, selected: Path) -> Path | None:
    """A person's labels: as3l_labels, or a label_file that is a CSV."""
    if s.as3l_labels is not None:
        return Path(s.as3l_labels)
    return selected if selected.suffix.lower() == ".csv" else None


def _tuning(s: Settings) -> tuple[Any, ...]:
    return (s.as3l_runs, s.as3l_tune_epochs, s.as3l_normalise, s.as3l_points_per_center)
