"""Weights of a run that has ended as the start of another one: `train --start_from RUN`.

A run of the same network and classes gives its weights and its averaged weights, as where more images have
been labelled since. A run on features with `net: linear` gives the classification layer of the network that
made its features, and its copy of that network the rest: the whole network learns from there on (linear
probing, then fine-tuning; Kumar et al., 2022, "Fine-Tuning can Distort Pretrained Features and Underperform
Out-of-Distribution"). ours: a head with hidden layers is refused, since the network would become another
one. The optimizer, the thresholds and the schedule begin afresh.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.files import RunFolder, check_is_run, read_json
from usb_ext.data.model_file import Interface, read_interface
from usb_ext.engine import checkpoint
from usb_ext.engine.engine import Engine
from usb_ext.engine.frozen import frozen_tensors
from usb_ext.engine.network import builder
from usb_ext.settings import Settings, load_settings
from usb_ext.settings.feature_set import FEATURES, hidden_units
from usb_ext.upstream.usb_algorithms import wrappings
from usb_ext.upstream.weights import last_layer, misfits, misfits_in_words

Tensors = Mapping[str, torch.Tensor]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Start:
    """What a run starts from.

    Attributes:
        told: where from, in words.
        model: tensors of the trained network, by their names there.
        averages: of its averages.
    """

    told: str
    model: Tensors
    averages: Tensors

    def put(self, algorithm: Engine) -> None:
        """Fill an algorithm's networks.

        Args:
            algorithm: built; once its hooks have started, its averages start here too.

        Raises:
            SettingsError: its network has other tensors.
        """
        wanted = algorithm.model.state_dict()
        if problems := misfits_in_words(misfits(wanted, dict(self.model))):
            raise SettingsError(
                f"start_from: the weights of {self.told} are not those of this run's network: {problems}"
            )
        algorithm.model.load_state_dict(self.model)
        algorithm.ema_model.load_state_dict(self.averages)
        if algorithm.ema is not None:
            algorithm.ema.copy_buffers()


def check_start(settings: Settings) -> None:
    """Refuse a run that this one cannot start from, by what its folder says.

    Args:
        settings: of the run that starts.

    Raises:
        SettingsError: another network, other classes, a head with hidden layers, or a run that has not ended.
        DataMissing: no run in that folder.
    """
    if settings.start_from is not None:
        _opened(settings, RunFolder(Path(settings.start_from)))


def check_classes(settings: Settings, classes: tuple[str, ...]) -> None:
    """Refuse a start whose outputs stand for other classes.

    Args:
        settings: of the run that starts.
        classes: names of its classes, in order.

    Raises:
        SettingsError: both lists.
    """
    if settings.start_from is None:
        return
    place = RunFolder(Path(settings.start_from))
    then = read_interface(place, load_settings(place.config).settings).classes
    if then != classes:
        raise SettingsError(
            f"start_from is {place.path}, whose classes are {_listed(then)}, but this run's are "
            f"{_listed(classes)}; the same classes in the same order are needed"
        )


def _listed(classes: tuple[str, ...]) -> str:
    return ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")


def find_start(settings: Settings) -> Start | None:
    """The weights that a run starts from; None where it names no run.

    Args:
        settings: of the run that starts.

    Raises:
        SettingsError, DataMissing: as in `check_start`, or a damaged file.
    """
    if settings.start_from is None:
        return None
    place = RunFolder(Path(settings.start_from))
    then, interface = _opened(settings, place)
    state = checkpoint.read(place.latest, remedy="name another run with --start_from")
    if then.dataset == FEATURES != settings.dataset:
        return _from_head(settings, place, interface, state)
    told = f"{place.path} after {state['it']} steps"
    return Start(told, state["model"], state["ema_model"])


def _opened(settings: Settings, place: RunFolder) -> tuple[Settings, Interface]:
    """The settings of the run that gives weights, and what its network takes.

    Raises:
        SettingsError, DataMissing: as in `check_start`.
    """
    check_is_run(place)
    then = load_settings(place.config).settings
    record = read_json(place.result, "the record of the run", "name another run with --start_from")
    if not place.latest.is_file() or not isinstance(record, dict):
        raise DataMissing(f"start_from is {place.path}, which has no checkpoint")
    if record.get("status") != "completed":
        raise SettingsError(
            f"start_from is {place.path}, a run that has not ended; let it end with `usb-ext train --c "
            f"{place.config} --resume`"
        )
    interface = read_interface(place, then)
    if then.dataset == FEATURES != settings.dataset:
        _check_head(settings, place, then, interface)
    else:
        _refuse_others(settings, place, {"net": then.net})
    _refuse_others(settings, place, {"num_classes": then.num_classes})
    return then, interface


def _refuse_others(settings: Settings, place: RunFolder, then: Mapping[str, object]) -> None:
    for name, value in then.items():
        if value != getattr(settings, name):
            raise SettingsError(
                f"start_from is {place.path}, which has {name} {value}, but this run has "
                f"{getattr(settings, name)}; give --{name} {value}, or leave start_from out"
            )


def _check_head(settings: Settings, place: RunFolder, then: Settings, interface: Interface) -> None:
    """Refuse a run on features whose layer is no classification layer of this run's network."""
    if hidden_units(then.net):
        raise SettingsError(
            f"start_from is {place.path}, a run on features with net {then.net}, whose hidden layers have no "
            f"place in {settings.net}; train the head with --net linear"
        )
    if interface.frozen is None:
        raise SettingsError(
            f"start_from is {place.path}, a run on features whose network was not kept; make them with "
            "`usb-ext features` and train on them again"
        )
    _refuse_others(settings, place, {"net": interface.frozen.net})
    if interface.frozen.img_size != settings.img_size:
        _log.warning(
            "start_from: the head was trained on images of %d pixels, this run has img_size %d",
            *(interface.frozen.img_size, settings.img_size),
        )


def _from_head(
    settings: Settings, place: RunFolder, interface: Interface, state: Mapping[str, Tensors]
) -> Start:
    """The network of the features with the linear layer that was trained on them."""
    frozen = interface.frozen
    if frozen is None:
        raise SettingsError(f"{place.path} kept no network")
    net: nn.Module = builder(settings)(num_classes=settings.num_classes)
    layer = last_layer(net, settings.num_classes)
    body = frozen_tensors(place.path, frozen)
    prefix = "backbone." * wrappings(settings.algorithm, settings.imb_algorithm)
    parts = []
    for name in ("model", "ema_model"):
        head = {f"{layer}.{k}": state[name][f"classifier.{k}"] for k in ("weight", "bias")}
        parts.append({f"{prefix}{k}": v for k, v in {**body, **head}.items()})
    told = f"{place.path}: the network of its features and its head"
    return Start(told, *parts)
