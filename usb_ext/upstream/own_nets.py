"""A network of the user's, `net: module:function`: found, called, and given the interface of USB's networks.

The module is imported, which runs its code, so the settings are trusted as far as that. What is called is a
class of networks, or a Python function that takes `num_classes`; what it gives must be a `torch.nn.Module`.
"""

import functools
import importlib
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import nn

from usb_ext.core.errors import SettingsError, reason
from usb_ext.upstream.weights import head_name

Builder = Callable[..., torch.nn.Module]


def own_builder(name: str) -> Builder:
    """The builder of a network of the user's.

    Args:
        name: `package.module:function`.

    Returns:
        A callable with `num_classes` (C) and further keyword arguments, which are ignored.

    Raises:
        SettingsError: it cannot be imported, or is nothing that makes a network.
    """
    function = _found(name)
    _refuse_other(name, function)

    def build(num_classes: int, **_: Any) -> nn.Module:
        try:
            net = function(num_classes=num_classes)
        except (TypeError, ValueError, RuntimeError, AttributeError, LookupError) as error:
            raise SettingsError(
                f"net is {name!r}, which cannot be built with num_classes={num_classes} "
                f"({type(error).__name__}: {reason(error)})"
            ) from error
        if not isinstance(net, nn.Module):
            raise SettingsError(
                f"net is {name!r}, which gives a {type(net).__name__}; it must give a torch.nn.Module"
            )
        return net if _as_usb(net) else TensorNet(net, num_classes)

    return build


def _found(name: str) -> Any:
    module_name, _, function_name = name.partition(":")
    try:
        return functools.reduce(
            getattr, function_name.split("."), importlib.import_module(module_name)
        )
    except (ImportError, AttributeError, ValueError, TypeError, SyntaxError) as error:
        raise SettingsError(
            f"net is {name!r}, which cannot be imported: {reason(error)}"
        ) from error


def _refuse_other(name: str, function: Any) -> None:
    """Nothing is called that is not meant to make a network, such as `os:system`."""
    is_net = inspect.isclass(function) and issubclass(function, nn.Module)
    plain = inspect.unwrap(function) if callable(function) else function
    if is_net or isinstance(plain, FunctionType | functools.partial):
        try:
            inspect.signature(function).bind(num_classes=2)
        except TypeError as error:
            raise SettingsError(
                f"net is {name!r}, which does not take num_classes alone ({reason(error)})"
            ) from error
        return
    raise SettingsError(
        f"net is {name!r}, which is no class of torch.nn.Module and no Python function that makes one"
    )


def _as_usb(net: nn.Module) -> bool:
    """Whether the network's `forward` takes what USB's networks take."""
    try:
        inspect.signature(net.forward).bind(torch.empty(0), only_fc=True)
    except TypeError:
        return False
    return True


class Wrapped(nn.Module):
    """A network within the interface of USB's networks.

    Args:
        net: as its author wrote it.

    Attributes:
        heads: beginnings of the names that its classification layer's weights have, which no file fills;
            None where they are to be found by `weights.head_name`.
    """

    heads: tuple[str, ...] | None = None

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    @property
    def classifier(self) -> nn.Linear:
        """The classification layer, under a name that USB's networks have (`heads.HEAD_NAMES`)."""
        raise NotImplementedError


class TensorNet(Wrapped):
    """The interface of USB's networks around one from images to logits, such as torchvision's.

    Its features are what its last linear layer gets.

    Args:
        net: from (B, 3, H, W) to (B, C), or to a dict with `logits`; no tuple, whose order nobody knows.
        num_classes: C.

    Raises:
        SettingsError: it ends in no linear layer of C outputs.
    """

    def __init__(self, net: nn.Module, num_classes: int) -> None:
        super().__init__(net)
        self.head = _last_linear(net, num_classes)
        self.num_features = self.classifier.in_features

    @property
    def classifier(self) -> nn.Linear:
        """The last linear layer, weight of shape (C, d)."""
        found: Any = self.net.get_submodule(self.head)
        return found  # type: ignore[no-any-return]

    def forward(self, x: torch.Tensor, only_fc: bool = False, only_feat: bool = False) -> Any:
        """`{"logits": (B, C), "feat": (B, d)}` of inputs.

        Args:
            x: inputs, or features (B, d) with `only_fc`.
            only_fc: give the head's logits (B, C) alone.
            only_feat: give the features (B, d) alone.

        Raises:
            SettingsError: the network gives neither logits nor a dict with them, or does not call its last
                layer.
        """
        if only_fc:
            return self.classifier(x)
        kept: list[torch.Tensor] = []
        handle = self.classifier.register_forward_pre_hook(lambda _, given: kept.append(given[0]))
        try:
            found = self.net(x)
        finally:
            handle.remove()
        logits = found.get("logits") if isinstance(found, dict) else found
        if not isinstance(logits, torch.Tensor):
            raise SettingsError(
                f"the network {type(self.net).__name__} gives a {type(found).__name__}; return the logits, "
                "or a dict with logits"
            )
        if not kept:
            raise SettingsError(
                f"the network {type(self.net).__name__} does not call its last linear layer as a module, so "
                "its features are not known"
            )
        return kept[-1] if only_feat else {"logits": logits, "feat": kept[-1]}


def bare(net: nn.Module) -> nn.Module:
    """The network as its author wrote it, whose names its weights have.

    Args:
        net: what a builder has given.
    """
    return net.net if isinstance(net, Wrapped) else net


def _last_linear(net: nn.Module, num_classes: int) -> str:
    """The name of the classification layer within a network; empty where it is the network itself."""
    part = "" if isinstance(net, nn.Linear) else head_name(net, num_classes)
    if part is not None:
        inner: Any = net.get_submodule(part).named_modules(prefix=part)
        fitting = [
            n for n, m in inner if isinstance(m, nn.Linear) and m.out_features == num_classes
        ]
        if fitting:
            return str(fitting[-1])
    raise SettingsError(
        f"the network {type(net).__name__} takes no only_fc and only_feat as USB's do, and ends in no "
        f"torch.nn.Linear with {num_classes} outputs, so its features are not known"
    )
