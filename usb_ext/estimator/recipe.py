"""The estimator's parameters as settings of a run: what is given, over a recipe for features or images."""

from collections.abc import Mapping
from typing import Any

from usb_ext.core.errors import SettingsError
from usb_ext.settings import LoadedSettings, load_settings
from usb_ext.settings.feature_set import ARRAYS
from usb_ext.settings.networks import made_for

RECIPES: dict[bool, dict[str, Any]] = {
    True: {
        "net": "mlp_256",
        "num_train_iter": 500,
        "optim": "AdamW",
        "lr": 3e-3,
        "weight_decay": 1e-2,
        "ema_m": 0.99,
        "batch_size": 32,
        "uratio": 7,
    },
    False: {
        "net": "wrn_28_2",
        "num_train_iter": 1000,
        "augment": "batched",
        "bn_statistics": "fresh",
        "batch_size": 32,
        "uratio": 7,
    },
}
"""ours: settings where nobody says otherwise, for features (True) and for images (False).

Those for features were chosen, like the views' defaults, on scikit-learn's digits with four labels a class.
"""

RESERVED = frozenset(
    "dataset data_dir num_classes num_labels label_split label_file label_seed seed without_test "
    "feature_size feature_file save_dir save_name resume load_path overwrite progress".split()
)
"""Settings that `fit` gives from its data, or that are about folders, of which it leaves none."""


def settings_of(
    given: Mapping[str, Any],
    others: Mapping[str, Any] | None,
    *,
    features: int | None,
    side: int | None,
    num_classes: int,
    num_labels: int,
    seed: int,
    verbose: bool,
) -> LoadedSettings:
    """The settings of one fit.

    Args:
        given: parameters of the estimator that are settings, by their names; None is not given.
        others: its `settings`.
        features: d of features (N, d); None for images.
        side: of images in an array, in pixels, which they keep where neither `others` nor a network that
            was made for another says otherwise; None for files, which get the setting's default.
        num_classes: K.
        num_labels: examples with a class.
        seed: of the run.
        verbose: whether progress is shown.

    Raises:
        SettingsError: an unknown or reserved setting, a value out of range, or a contradiction.
    """
    others = dict(others or {})
    if fixed := sorted(RESERVED & others.keys()):
        raise SettingsError(
            f"settings holds {', '.join(fixed)}, which follows from the data and the estimator's parameters; "
            "leave it out"
        )
    asked = {name: value for name, value in given.items() if value is not None}
    if twice := sorted(asked.keys() & others.keys()):
        raise SettingsError(
            f"settings holds {', '.join(twice)}, which is a parameter of its own; give it there alone"
        )
    values = {**RECIPES[features is not None], **asked, **others}
    if side is not None and made_for(str(values["net"])) is None:
        values.setdefault("img_size", side)
    held_out = values.get("num_val") or 0
    steps = values["num_train_iter"]
    return load_settings(
        {
            "num_eval_iter": steps,
            "num_log_iter": max(1, steps // 10) if isinstance(steps, int) else steps,
            **values,
            "dataset": ARRAYS,
            "without_test": True,
            "num_workers": 0,
            "feature_size": features,
            "num_classes": num_classes,
            "label_split": "random",
            "num_labels": max(1, num_labels - held_out),
            "seed": seed,
            "progress": "auto" if verbose else "off",
        }
    )
