"""Which settings decide what a stage before training makes, so that it is made once and kept.

A stage's output is used again where it was made with the same values, and never replaced unasked where
it was not.
"""

import os
from typing import Any

from usb_ext.settings.model import Settings

_PATHS = frozenset({"features", "ssl_name", "ssl_save_epochs"})
DATA = ("dataset", "class_list", "img_size", "num_classes")
PRETRAIN: tuple[str, ...] = (
    *DATA,
    *("net", "amp"),
    *(name for name in Settings.model_fields if name.startswith("ssl_") and name not in _PATHS),
)
"""Pre-training's, but for the file of weights that it starts from."""

TUNING = ("as3l_runs", "as3l_tune_epochs", "as3l_normalise", "as3l_points_per_center")
SELECT = ("dataset", "num_labels", "as3l_strategy", "as3l_candidates", *TUNING)
"""The choice of images to label; the features it was made from count too."""

PROPAGATE = (
    *SELECT,
    *("num_classes", "as3l_method", "as3l_clusters", "as3l_seeding", "as3l_normaliser"),
)
"""The spread of labels; features, selection and labels count too."""


def stage_values(settings: Settings, names: tuple[str, ...]) -> dict[str, Any]:
    """The values of a stage's settings, as JSON has them.

    Args:
        settings: of the run.
        names: PRETRAIN, SELECT or PROPAGATE.
    """
    values = settings.model_dump(mode="json")
    return {name: values[name] for name in names}


def differences(then: dict[str, Any], now: dict[str, Any]) -> str:
    """What differs, such as "ssl_lr (0.06 then, 0.03 now)"; empty where nothing does.

    Args:
        then: values that something was made with.
        now: values asked for.
    """
    names = [*now, *(name for name in then if name not in now)]
    given = then.get("pretrain_path")
    if isinstance(given, str):  # as an older version kept it
        then = {**then, "pretrain_path": os.path.expanduser(given)}
    return ", ".join(
        f"{n} ({then.get(n)} then, {now.get(n)} now)" for n in names if then.get(n) != now.get(n)
    )
