"""From settings to the data sets of a run, under USB's names: train_lb, train_ulb, eval, test; and val."""

from typing import Any

import numpy as np

from usb_ext.data.own_sets import OWN, prepare_own
from usb_ext.data.prepared import Prepared, choose_split
from usb_ext.upstream.usb_datasets import load_usb_datasets


def prepare(args: Any) -> Prepared:
    """Build the data sets that the settings name.

    Args:
        args: the run's namespace.

    Raises:
        DataMissing: files that are not there or cannot be read.
        SettingsError: a split that the data cannot give, or a wrong number of classes.
    """
    if args.dataset in OWN:
        return prepare_own(args)
    datasets, targets, split = load_usb_datasets(
        args, lambda targets: choose_split(args, targets, None, ())
    )
    if split is None:
        return Prepared(datasets, np.empty(0, np.int64), {})
    prepared: Prepared = split.prepared(args, datasets, targets)
    return prepared
