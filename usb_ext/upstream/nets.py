"""Networks by name: USB's own, `wrn_10_1`, `mlp_100_100`, or a function of the user's.

USB's `net_from_name: True` always fails and `resnet50` ignores the path of its weights; here the
network is built without weights, and they are loaded by one strict loader (`weights.py`).
"""

import importlib
from collections.abc import Callable
from typing import Any

import torch

from usb_ext.core.errors import SettingsError
from usb_ext.upstream._loaded import semilearn  # noqa: F401  (imports semilearn through the bridges)
from usb_ext.upstream.mlp import mlp_100_100

# isort: split
import semilearn.nets as usb_nets
from semilearn.nets.wrn import WideResNet

Builder = Callable[..., torch.nn.Module]
TEXT_AND_AUDIO = ("bert_base_cased", "bert_base_uncased", "wave2vecv2_base", "hubert_base")


def wrn_10_1(
    num_classes: int, pretrained: bool = False, pretrained_path: str | None = None
) -> torch.nn.Module:
    """WideResNet-10-1 on USB's class: 77 thousand parameters, for small images on a CPU.

    Args:
        num_classes: C, outputs of the head `classifier`.
        pretrained: ignored; weights are loaded by `usb_ext.upstream.weights`.
        pretrained_path: ignored likewise.

    Returns:
        A module from images (B, 3, H, W) to {"logits": (B, C), "feat": (B, 64)}.
    """
    net: torch.nn.Module = WideResNet(
        first_stride=1, num_classes=num_classes, depth=10, widen_factor=1
    )
    return net


OURS: dict[str, Builder] = {"wrn_10_1": wrn_10_1, "mlp_100_100": mlp_100_100}


def net_names() -> list[str]:
    """Every name `net:` accepts besides `package.module:function`."""
    usb = [n for n in vars(usb_nets) if callable(getattr(usb_nets, n))]
    return sorted(set(usb) | set(OURS))


def net_builder(name: str) -> Builder:
    """The builder of a network by its name.

    Args:
        name: a name of `net_names()`, or `package.module:function` for the user's own network, called
            as `function(num_classes=C)`; its forward must return {"logits", "feat"} as USB's do.

    Returns:
        A callable with keyword arguments `num_classes`, `pretrained`, `pretrained_path`.

    Raises:
        SettingsError: for an unknown name.
    """
    if ":" in name:
        return _own_builder(name)
    if name in OURS:
        return OURS[name]
    builder: Builder | None = getattr(usb_nets, name, None)
    if builder is None or name not in net_names():
        raise SettingsError(
            f"net is {name!r}; known: {', '.join(net_names())}; "
            "a network of your own is package.module:function"
        )
    return builder


def _own_builder(name: str) -> Builder:
    module_name, _, function_name = name.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise SettingsError(f"net is {name!r}, which cannot be imported: {error}") from error

    def build(num_classes: int, **_: Any) -> torch.nn.Module:
        net: torch.nn.Module = function(num_classes=num_classes)
        return net

    return build
