"""What a run's settings alone decide, before any data is read: one function for `train` and `check-config`.

Names are looked up, files that are named must be there, the network is run on two images without numbers (on
torch's `meta` device), and what a step needs is compared with the memory there is.
"""

import math
import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from usb_ext.core.errors import DataMissing, SettingsError, UsbExtError, reason
from usb_ext.core.processes import world
from usb_ext.core.runtime import check_precision, resolve_device
from usb_ext.data.feature_views import with_feature_size
from usb_ext.data.sets import OWN
from usb_ext.engine.statistics import batch_norms
from usb_ext.settings import LoadedSettings, Settings
from usb_ext.settings.as3l import AUTO
from usb_ext.settings.data import AUDIO_NETS, TEXT_NETS, TOYS
from usb_ext.settings.feature_set import ARRAYS
from usb_ext.training.compose import algorithm_classes, resolved
from usb_ext.training.start_from import check_start
from usb_ext.training.together import place_of
from usb_ext.upstream.loggers import check_loggers
from usb_ext.upstream.nets import net_builder
from usb_ext.upstream.pretrained import BY_WORD, check_named
from usb_ext.upstream.usb_datasets import check_dataset, check_sounds
from usb_ext.upstream.usb_imbalanced import check_imbalanced_options
from usb_ext.upstream.usb_own_loops import check_feature_maps
from usb_ext.upstream.zoo_nets import is_zoo

FILES = ("label_file", "val_index_file", "class_list", "prior_file", "consistency_features")
"""Settings that name a file that training reads."""

SIZES = (8, 16, 28, 32, 48, 64, 96, 128, 160, 192, 224, 256, 288, 384)
"""Image sizes that a network is asked for, to name one that it takes."""

GIBIBYTE = 2**30
FLOAT = 4
DIGITS = 1797


@dataclass(frozen=True)
class Checked:
    """What a run goes on with.

    Attributes:
        device: where it computes.
        classes: what it is composed of.
        settings: every option of the algorithm filled in.
    """

    device: torch.device
    classes: tuple[type, ...]
    settings: Settings


def check_run(
    given: Settings,
    environment: Mapping[str, str] = os.environ,
    *,
    staged: bool = False,
    handed_over: bool = False,
) -> Checked:
    """Everything that `train` refuses for its settings, in the order in which it helps most.

    Args:
        given: free of contradictions.
        environment: variables of the process.
        staged: whether files named `auto` are made before training, as `usb-ext train` and `usb-ext as3l` do.
        handed_over: whether a program gives the examples themselves (`in_memory.py`).

    Raises:
        SettingsError: a name that is not known, or settings that no run can carry here.
        DataMissing: a file that is named and not there, or a package that is needed and does not work.
    """
    if world().size == 1:
        place_of(environment)
    if given.dataset == ARRAYS and not handed_over:
        raise SettingsError(
            f"dataset is {ARRAYS}, whose examples a program hands over (usb_ext.SemiSupervisedClassifier); "
            "use another dataset"
        )
    classes = algorithm_classes(given)
    check_dataset(given, OWN)
    settings = with_feature_size(resolved(given, classes))
    check_imbalanced_options(settings)
    net_builder(settings.net)
    check_files(settings, staged=staged)
    check_start(settings)
    device = resolve_device(_device_named(settings))
    check_precision(settings.amp, device)
    check_loggers(settings)
    check_sounds(settings)
    check_network(settings, device)
    return Checked(device, classes, settings)


def _device_named(settings: Settings) -> str:
    """The device that the settings name; USB's `gpu` where they leave it open and there are GPUs."""
    named = settings.device == "auto" and settings.gpu is not None and world().size == 1
    return f"cuda:{settings.gpu}" if named and torch.cuda.is_available() else settings.device


def check_files(settings: Settings, *, staged: bool = False) -> None:
    """Refuse a file that is named, read by training, and not there.

    Args:
        settings: of the run.
        staged: whether files named `auto` are made before training.

    Raises:
        SettingsError: a file that another command makes first.
        DataMissing: the setting and the path.
    """
    named = {name: getattr(settings, name) for name in FILES}
    if settings.use_pretrain and settings.net not in (*TEXT_NETS, *AUDIO_NETS):
        named["pretrain_path"] = settings.pretrain_path or ""
        if settings.pretrain_path in BY_WORD:
            check_named(named.pop("pretrain_path"), settings.net)
    made = [name for name, value in named.items() if value == AUTO]
    if made and not staged:
        raise SettingsError(
            f"{', '.join(made)}: {AUTO} stands for what AS3L's stages make before training, as `usb-ext "
            "train` does; here name files"
        )
    for name, value in named.items():
        if value in (None, AUTO) or "://" in value or Path(value).expanduser().is_file():
            continue
        if name == "pretrain_path":
            raise DataMissing(
                f"pretrain_path is {value!r}, and there is no such file; give the path of the weights, or "
                "train from scratch with --use_pretrain false"
            )
        raise DataMissing(f"{name} is {value!r}, and there is no such file")


class Shape(NamedTuple):
    """What a pass of a network tells.

    Attributes:
        problem: why it cannot take the images; empty where it can.
        numbers: of the outputs of its convolutions and linear layers, for one image.
    """

    problem: str
    numbers: int


def check_network(settings: Settings, device: torch.device) -> None:
    """Refuse a network that does not take the images, or a step that no memory here holds.

    Args:
        settings: of the run.
        device: where it computes.

    Raises:
        SettingsError: with a size that the network takes, or the setting with the largest share.
    """
    s = settings
    if s.net in (*TEXT_NETS, *AUDIO_NETS):
        return
    points = (s.feature_size or 2) if s.dataset in TOYS or s.feature_size is not None else 0
    _check_memory(s, points or 3 * s.img_size**2, device)
    layered = s.layer_decay != 1
    found = shape_of(s.net, s.num_classes, 0 if points else s.img_size, layered, points)
    if found.problem:
        fitting = [] if points else [size for size in SIZES if _takes(s, size)]
        remedy = (
            f"use img_size: {' or '.join(map(str, fitting[:4]))}" if fitting else "use another net"
        )
        given = (
            f"{points} numbers of dataset {s.dataset}"
            if points
            else f"images of img_size {s.img_size}"
        )
        why = "" if fitting and ":" not in s.net else f" ({found.problem})"
        raise SettingsError(f"net {s.net} does not take {given}{why}; {remedy}")
    _check_memory(s, found.numbers, device)
    if s.algorithm == "crmatch":
        check_feature_maps(net_builder(s.net)(num_classes=s.num_classes).to("meta"), s)


def _takes(s: Settings, size: int) -> bool:
    return not shape_of(s.net, s.num_classes, size, s.layer_decay != 1).problem


@cache
def shape_of(net: str, num_classes: int, size: int, layered: bool, points: int = 2) -> Shape:
    """One pass of two images through a network, USB's without numbers, the user's own with zeros.

    Args:
        net: its name.
        num_classes: C.
        size: side of the images in pixels; 0 for points and features.
        layered: whether `layer_decay` asks where its layers stand.
        points: numbers that a point or a feature has.
    """
    place = torch.device("cpu" if ":" in net else "meta")
    try:
        module = net_builder(net, size or None, features=points)(num_classes=num_classes).to(place)
    except SettingsError as error:
        if not is_zoo(net):
            raise
        return Shape(str(error), 0)
    images = torch.zeros((2, 3, size, size) if size else (2, points), device=place)
    if layered and not hasattr(module, "group_matcher"):
        return Shape("layer_decay needs a method group_matcher of it, as USB's have", 0)
    counted: list[int] = []
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.register_forward_hook(lambda _, __, out: counted.append(out.numel()))
    try:
        with torch.no_grad():
            out = module.eval()(images)
    except UsbExtError as error:
        return Shape(str(error), 0)
    except Exception as error:  # noqa: BLE001  (whatever a network of the user's raises)
        return Shape(reason(error), 0)
    return Shape(_wrong_output(out, num_classes), sum(counted) // 2)


def _wrong_output(out: Any, num_classes: int) -> str:
    """What is wrong with an output; empty if it is as USB's networks give it."""
    if not isinstance(out, dict) or not {"logits", "feat"} <= out.keys():
        kind = f"a dict with {', '.join(out)}" if isinstance(out, dict) else type(out).__name__
        return f"it gives {kind}; USB's give a dict with logits and feat"
    shape = tuple(getattr(out["logits"], "shape", ()))
    if shape != (2, num_classes):
        return f"its logits of two images have the shape {shape}, and not (2, {num_classes})"
    return ""


def _check_memory(s: Settings, numbers: int, device: torch.device) -> None:
    """Compare the least that a step keeps for the backward pass with all the memory there is."""
    rows = s.batch_size * (1 + s.uratio)
    need, there = rows * numbers * FLOAT, memory(device)
    if s.dataset == "digits":
        need = max(need, DIGITS * 3 * s.img_size**2)
    if need > there:
        raise SettingsError(
            f"a step needs at least {need / GIBIBYTE:.3g} GiB, and {device} has {there / GIBIBYTE:.3g}; the "
            f"biggest lever is {biggest_lever(s)}"
        )


def memory(device: torch.device) -> int:
    """All bytes that a process may use on a device.

    Args:
        device: cpu, cuda or mps.
    """
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return whole if limit == resource.RLIM_INFINITY else min(whole, limit)


def biggest_lever(settings: Settings) -> str:
    """The setting that takes most of a step's memory, with its value.

    Args:
        settings: of the run.
    """
    s = settings
    usual = {"img_size": 224, "batch_size": 64, "uratio": 7}
    over = {
        name: (getattr(s, name) / most) ** (2 if name == "img_size" else 1)
        for name, most in usual.items()
    }
    name = max(over, key=lambda n: over[n])
    return f"--{name} (now {getattr(s, name)})"


LEFT = 0.01
"""ours: share of the initial running statistics from which a run's evaluation is said to be too low."""


def batch_norm_warning(model: nn.Module, settings: Settings) -> str:
    """A sentence about running statistics that are not there yet at a run's end; empty where they are.

    Batch norm keeps r <- (1 - m) r + m x, so after n steps (1 - m)^n of the initial r is left. USB's
    WideResNets have m = 0.001. Where `bn_statistics: fresh` has nothing to do, that is said.

    Args:
        model: the network.
        settings: of the run: its steps, and by what it is judged.
    """
    layers, steps = batch_norms(model), settings.num_train_iter
    if settings.bn_statistics == "fresh":
        return "" if layers else "no effect, for the network has no batch norm: bn_statistics"
    found = [m.momentum for m in layers if m.momentum]
    slowest = min(found, default=1.0)
    left = (1 - slowest) ** steps
    if left <= LEFT:
        return ""
    enough = math.ceil(math.log(LEFT) / math.log(1 - slowest))
    return (
        f"batch norm of this network has momentum {slowest:g}: after {steps} steps {left:.0%} of its running "
        f"statistics are still the initial ones, so what is evaluated is too low; "
        f"use --bn_statistics fresh, or {enough} steps, which leave 1%"
    )


def unused_options(loaded: LoadedSettings, classes: tuple[type, ...]) -> list[str]:
    """Sentences about options that are given and that nothing in this run reads.

    Args:
        loaded: settings, and which of them were given.
        classes: what the run is composed of.
    """
    from usb_ext.settings.model import GROUPS
    from usb_ext.settings.usb_options import (
        ConsistencySettings,
        ImbalanceSettings,
        ThresholdSettings,
    )
    from usb_ext.training.compose import declarations

    s = loaded.settings
    read = {declared.name.lstrip("-") for declared in declarations(classes)} | {"imb_algorithm"}
    groups = (ThresholdSettings, ConsistencySettings, ImbalanceSettings)
    options = {name for group in groups for name in group.model_fields} - read
    for group in GROUPS:
        if group.part_of and group.part_of not in s.active_extensions:
            options |= set(group.model_fields) - {group.part_of} - read
    idle = sorted(n for n in options & loaded.given if getattr(s, n) is not None)
    if not idle:
        return []
    whom = s.algorithm + (f" with {s.imb_algorithm}" if s.imb_algorithm else "")
    return [f"no effect, for {whom} does not read it: {', '.join(idle)}"]
