"""What a run is, in a few lines before its first step: method, data, network, device and folder."""

import numpy as np

from usb_ext.core.processes import world
from usb_ext.core.runtime import device_name
from usb_ext.data.fingerprint import printable
from usb_ext.data.model_file import names_of_classes
from usb_ext.data.prepared import Prepared
from usb_ext.engine.engine import Engine
from usb_ext.settings import Settings

_SHOWN = 10
_MILLION = 1e6


def first_lines(algorithm: Engine, settings: Settings, data: Prepared, weights: str) -> list[str]:
    """Lines for a person, the method first.

    Args:
        algorithm: built, on its device.
        settings: of the run.
        data: its data sets.
        weights: where a run that goes on, or starts from another one, has them from; empty for the settings'.
    """
    s, count = settings, sum(p.numel() for p in algorithm.model.parameters())
    own = s.pretrain_path if s.use_pretrain else None
    several = f", {world().size} processes" if world().size > 1 else ""
    return [
        f"method   {_method(s)}, {s.num_train_iter:,} steps of {s.batch_size} labelled and "
        f"{s.batch_size * s.uratio} unlabelled examples",
        f"data     {_data(s, data)}",
        f"network  {s.net}, {count / _MILLION:.3g} million parameters, weights "
        f"{weights or (f'of {own}' if own else 'by chance')}",
        f"device   {device_name(algorithm.device)}{several}",
        f"folder   {algorithm.folder.path}",
    ]


def _method(s: Settings) -> str:
    """Algorithm, base and extensions, such as `weak_strong on flexmatch + grad_relu`."""
    base = f" on {s.base}" if s.base else ""
    imbalanced = f"{s.imb_algorithm} with " if s.imb_algorithm else ""
    return " + ".join([f"{imbalanced}{s.algorithm}{base}", *map(str, s.extensions)])


def _data(s: Settings, data: Prepared) -> str:
    """Data set and folder, numbers of examples, names of the classes."""
    sizes = {n: 0 if d is None else len(d) for n, d in data.datasets.items()}
    labelled = int(np.size(data.labelled)) or sizes.get("train_lb", 0)
    names = [printable(name) for name in names_of_classes(s, data)]
    more = ", ..." if len(names) > _SHOWN else ""
    tested = sizes.get("eval", 0)
    return (
        f"{s.dataset} ({s.feature_file or s.data_dir}): {labelled:,} labelled, "
        f"{sizes.get('train_ulb', 0):,} unlabelled, "
        f"{f'{tested:,} to evaluate on' if tested else 'none to evaluate on'}, "
        f"{len(names)} classes ({', '.join(names[:_SHOWN])}{more})"
    )
