"""The middle stages of `usb-ext as3l`: images to label, and their labels spread (AS3L, Secs. 4.3 and 4.4)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from usb_ext.as3l.made import Made
from usb_ext.config.as3l import AUTO, TO_LABEL
from usb_ext.core.errors import SettingsError
from usb_ext.settings import Settings
from usb_ext.settings.stage_values import PROPAGATE, SELECT, stage_values
from usb_ext.stage_record import file_sha256, finish_stage, is_done

Show = Callable[[str], int]


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
    if is_done(made, inputs, overwrite=s.overwrite):
        show(f"images chosen before: {made}")
        return
    from usb_ext.as3l.select.stage import SelectOrder, select_images
    from usb_ext.functional.fine_features import Tuning

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


def _candidates(s: Settings, features: Path, folder: Path) -> Path:
    """The features of the images that may be chosen: the file itself, or one of those of known class."""
    if s.as3l_candidates == "all":
        return features
    from dataclasses import replace

    from usb_ext.as3l.feature_images import images_of
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
    unfilled = selected.with_name(TO_LABEL)
    if csv is None and unfilled.is_file():
        raise SettingsError(
            f"the classes of the chosen images are not known: fill in {unfilled} (id,class), then give "
            f"--as3l_labels {unfilled}; what is made by now is kept"
        )
    read = {"features": features, "selected": selected, "labels": csv}
    inputs = {**stage_values(s, PROPAGATE), "seed": s.split_seed}
    inputs |= {name: file_sha256(path) for name, path in read.items() if path is not None}
    if is_done(made, inputs, overwrite=s.overwrite):
        show(f"prior pseudo-labels made before: {made}")
        return
    from usb_ext.as3l.propagate.stage import PropagateOrder, propagate_labels
    from usb_ext.functional.fine_features import Tuning

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
    show(propagate_labels(order, s))
    finish_stage(made, inputs)


def _tuning(s: Settings) -> tuple[Any, ...]:
    return (s.as3l_runs, s.as3l_tune_epochs, s.as3l_normalise, s.as3l_points_per_center)
