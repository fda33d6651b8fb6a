"""Settings that contradict each other: found before any work, each with its value and a remedy.

A rule takes the settings and yields one sentence for each contradiction. Rules about one method, the step or
the data stand with their settings; what concerns several groups stands here.
"""

from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING

from usb_ext.core.errors import SettingsError
from usb_ext.settings.as3l import as3l_contradictions
from usb_ext.settings.data import (
    UNKNOWN_CLASSES,
    audio_contradictions,
    has_own_split,
    image_cache_contradictions,
    text_contradictions,
    toy_contradictions,
    unlabelled_contradictions,
    without_test_contradictions,
)
from usb_ext.settings.feature_set import FEATURES, feature_contradictions
from usb_ext.settings.influence import influence_contradictions
from usb_ext.settings.kinds import multiples_around
from usb_ext.settings.layermatch import layermatch_contradictions
from usb_ext.settings.limits import limit_contradictions
from usb_ext.settings.networks import network_contradictions
from usb_ext.settings.smooth import smooth_contradictions
from usb_ext.settings.step import step_contradictions
from usb_ext.settings.usb_options import imbalance_contradictions, instant_contradictions

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings


def check(settings: "Settings") -> None:
    """Raise one error that names every contradiction.

    Args:
        settings: a model whose single values are already valid.

    Raises:
        SettingsError: with the sentences, joined by semicolons.
    """
    if found := contradictions(settings):
        raise SettingsError("; ".join(found))


def contradictions(settings: "Settings") -> list[str]:
    """All sentences of all rules; empty if nothing contradicts.

    Args:
        settings: a model whose single values are already valid.
    """
    rules = (
        _folder_names,
        limit_contradictions,
        _processes,
        _schedule,
        _network,
        network_contradictions,
        _label_file,
        _class_list,
        image_cache_contradictions,
        _labelled,
        _unlabelled,
        unlabelled_contradictions,
        imbalance_contradictions,
        instant_contradictions,
        without_test_contradictions,
        toy_contradictions,
        feature_contradictions,
        text_contradictions,
        audio_contradictions,
        step_contradictions,
        layermatch_contradictions,
        as3l_contradictions,
        smooth_contradictions,
        influence_contradictions,
    )
    return [sentence for rule in rules for sentence in rule(settings)]


def _folder_names(s: "Settings") -> Iterator[str]:
    for name in ("save_name", "ssl_name", "as3l_name"):
        given = getattr(s, name)
        path = PurePath(given or "run")
        if path.is_absolute() or ".." in path.parts or not path.parts:
            yield (
                f"{name} is {given!r}, but it names a folder inside save_dir; give the folder above it as "
                f"save_dir, and {name} a plain name"
            )


def _processes(s: "Settings") -> Iterator[str]:
    if s.rank >= s.world_size:
        yield (
            f"rank is {s.rank}, but the machines of world_size {s.world_size} have the numbers 0 to "
            f"{s.world_size - 1}; use one of them"
        )


def _schedule(s: "Settings") -> Iterator[str]:
    if s.num_train_iter % s.epoch:
        below = s.num_train_iter // s.epoch * s.epoch
        nearest = multiples_around(s.num_train_iter, s.epoch)
        yield (
            f"num_train_iter is {s.num_train_iter}, which epoch {s.epoch} does not divide (USB "
            f"would stop after {below}); use num_train_iter: {nearest}"
        )
    if s.num_warmup_iter >= s.num_train_iter:
        yield (
            f"num_warmup_iter is {s.num_warmup_iter}, not below num_train_iter "
            f"{s.num_train_iter}, so lr would never be reached; use at most {s.num_train_iter - 1}"
        )


def _network(s: "Settings") -> Iterator[str]:
    if s.net_from_name:
        yield (
            "net_from_name: True is not supported (it always fails in USB); use net_from_name: "
            "False with net: a name of USB's such as wrn_28_2, wrn_10_1, or your own as "
            "package.module:function"
        )


def _label_file(s: "Settings") -> Iterator[str]:
    if s.label_split == "file" and s.label_file is None:
        yield "label_split: file needs label_file, the list of the labelled examples"
    if s.label_split != "file" and s.label_file is not None:
        yield (
            f"label_file is {s.label_file!r} but label_split: {s.label_split} does not read it; "
            "use label_split: file, or leave label_file out"
        )


def _class_list(s: "Settings") -> Iterator[str]:
    if s.class_list is not None and s.dataset not in ("imagefolder", FEATURES):
        yield (
            f"class_list is {s.class_list!r} but dataset {s.dataset} does not read it; use "
            "dataset: imagefolder, with data_dir the folder that holds train/ and val/"
        )


def _labelled(s: "Settings") -> Iterator[str]:
    if s.lb_imb_ratio != 1 and s.label_split == "random":
        yield (
            f"lb_imb_ratio is {s.lb_imb_ratio:g} but label_split: random ignores classes; use "
            "lb_imb_ratio: 1 or label_split: per_class"
        )
    balanced = s.label_split == "per_class" and s.lb_imb_ratio == 1
    if not balanced or has_own_split(s.dataset):
        return
    if s.num_labels % s.num_classes:
        yield (
            f"num_labels is {s.num_labels}, which does not divide by num_classes {s.num_classes} "
            f"(label_split: per_class); use num_labels: "
            f"{multiples_around(s.num_labels, s.num_classes)}, or label_split: random"
        )


def _unlabelled(s: "Settings") -> Iterator[str]:
    if has_own_split(s.dataset) or s.dataset in UNKNOWN_CLASSES:
        return  # `unlabelled_contradictions`
    if s.ulb_num_labels is None:
        if s.ulb_imb_ratio != 1:
            yield (
                f"ulb_imb_ratio is {s.ulb_imb_ratio:g} but ulb_num_labels is not set; set it to "
                "the number of unlabelled examples of the largest class, or use ulb_imb_ratio: 1"
            )
    elif s.ulb_imb_ratio == 1 and s.ulb_num_labels % s.num_classes:
        yield (
            f"ulb_num_labels is {s.ulb_num_labels}, which does not divide by num_classes "
            f"{s.num_classes}; use {multiples_around(s.ulb_num_labels, s.num_classes)}, or None "
            "for all that are left"
        )
