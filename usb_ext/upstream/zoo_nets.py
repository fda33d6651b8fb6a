"""Image classifiers of timm and torchvision, `timm/NAME` and `torchvision/NAME`, with USB's interface.

Their classification layer is found, made for the run's classes and, where it is no single linear layer,
replaced by one: Grad-ReLU, Avg-Clustering and last-layer influence work on a `torch.nn.Linear`.
"""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any

import torch
from torch import nn

from usb_ext.core.errors import SettingsError, reason
from usb_ext.settings.networks import TIMM, TORCHVISION, made_for
from usb_ext.upstream.own_nets import Builder, TensorNet, Wrapped
from usb_ext.upstream.stand_ins import import_real

FAILURES = (TypeError, ValueError, RuntimeError, AssertionError, AttributeError, LookupError)
"""What a network raises that cannot be built for a number of classes and a size of images."""


def is_zoo(name: str) -> bool:
    """Whether a network is one of timm's or torchvision's.

    Args:
        name: as in the setting `net`.
    """
    return name.startswith((TIMM, TORCHVISION))


def zoo_builder(name: str, img_size: int | None = None) -> Builder:
    """The builder of a network of timm's or torchvision's.

    Args:
        name: `timm/NAME`, also with timm's tag of weights (`NAME.TAG`), or `torchvision/NAME`.
        img_size: S, side of the images in pixels, for networks that have to know it when they are built;
            None is what the network was made for.

    Returns:
        A callable with `num_classes` (C) and further keyword arguments, which are ignored.

    Raises:
        SettingsError: the library has no image classifier of that name.
    """
    library, _, own = name.partition("/")
    make = _timm_net if name.startswith(TIMM) else _torchvision_net
    known = _timm_names() if name.startswith(TIMM) else _torchvision_names()
    if own.partition(".")[0] not in known or (made_for(name) is None and "." in own):
        near = get_close_matches(own.lower(), known, n=1, cutoff=0.6)
        hint = f" (did you mean {library}/{near[0]}?)" if near else ""
        raise SettingsError(f"net is {name!r}, which {library} does not have{hint}")

    def build(num_classes: int, **_: Any) -> nn.Module:
        try:
            return make(own, num_classes, told_size(name, img_size))
        except FAILURES as error:
            raise SettingsError(
                f"net is {name!r}, which cannot be built for {num_classes} classes and images of "
                f"{img_size} pixels ({type(error).__name__}: {reason(error)})"
            ) from error

    return build


def told_size(name: str, img_size: int | None) -> int | None:
    """The size that has to be told when a network is built; None where it is its own or it takes any.

    Args:
        name: as in the setting `net`.
        img_size: S, side of the images in pixels.
    """
    made = made_for(name)
    return None if made is None or not made.fixed or img_size == made.size else img_size


def _timm_names() -> list[str]:
    found: list[str] = import_real("timm").list_models()
    return found


def _torchvision_names() -> list[str]:
    models: Any = import_real("torchvision.models")
    found: list[str] = models.list_models(module=models)
    return found


def timm_module(name: str, size: int | None, **options: Any) -> nn.Module:
    """A network as timm makes it.

    Args:
        name: timm's.
        size: S, where it has to be told.
        options: of `timm.create_model`.
    """
    timm: Any = import_real("timm")
    net: nn.Module
    if size is not None:
        try:
            net = timm.create_model(name, img_size=size, **options)
            return net
        except TypeError:  # it takes no img_size; the trial batch says whether it takes the images
            pass
    net = timm.create_model(name, **options)
    return net


def _timm_net(name: str, num_classes: int, size: int | None) -> nn.Module:
    return TimmNet(timm_module(name, size, num_classes=num_classes), num_classes)


class TimmNet(Wrapped):
    """A network of timm with the interface of USB's.

    Its classification layer is kept if timm says that it is one `nn.Linear`; several (distilled ones), a
    convolution or a small network is replaced. ours: by one linear layer on the features that timm calls
    `pre_logits`.

    Args:
        net: from (B, 3, H, W) to (B, C).
        num_classes: C.

    Attributes:
        head: name of the layer within the whole.
        num_features: d.
    """

    def __init__(self, net: nn.Module, num_classes: int) -> None:
        super().__init__(net)
        given: Any = net
        own = given.get_classifier()
        names = [name for name, part in net.named_modules() if part is own]
        self.heads = tuple(f"{name}." for name in (names or _classifiers(given)))
        if names and isinstance(own, nn.Linear) and own.out_features == num_classes:
            self.head = f"net.{names[0]}"
        else:
            given.reset_classifier(0)
            self.linear = nn.Linear(_pre_logits(given), num_classes)
            self.head = "linear"
        self.num_features = self.classifier.in_features

    @property
    def classifier(self) -> nn.Linear:
        """The classification layer, weight of shape (C, d)."""
        found: Any = self.get_submodule(self.head)
        return found  # type: ignore[no-any-return]

    def forward(
        self, x: torch.Tensor, only_fc: bool = False, only_feat: bool = False
    ) -> torch.Tensor | dict[str, torch.Tensor]:
        """`{"logits": (B, C), "feat": (B, d)}` of images (B, 3, H, W).

        Args:
            x: images, or features (B, d) with `only_fc`.
            only_fc: give the head's logits (B, C) alone.
            only_feat: give the features (B, d) alone.
        """
        if only_fc:
            logits: torch.Tensor = self.classifier(x)
            return logits
        net: Any = self.net
        feat: torch.Tensor = net.forward_head(net.forward_features(x), pre_logits=True)
        return feat if only_feat else {"logits": self.classifier(feat), "feat": feat}

    def group_matcher(self, coarse: bool = False, prefix: str = "") -> Callable[[str], float]:
        """Where the layers stand, for USB's `layer_decay`: as timm says, the head last.

        Args:
            coarse: whole stages instead of blocks.
            prefix: of the names, where another network wraps this one.

        Returns:
            The number of the layer that a parameter belongs to, by the parameter's name.
        """
        if not hasattr(self.net, "group_matcher"):
            return _numbered(self.net, f"{prefix}net.")
        models: Any = import_real("timm.models")
        given: Any = self.net
        found = models.group_parameters(given, given.group_matcher(coarse=coarse), reverse=True)
        return _by_name(found, f"{prefix}net.")

    def no_weight_decay(self) -> set[str]:
        """Names of parameters that timm leaves out of weight decay, such as positions."""
        given: Any = getattr(self.net, "no_weight_decay", set)
        return {f"net.{name}" for name in given()}


def _classifiers(net: Any) -> list[str]:
    """The classification layers' names by the network's configuration, where there are several."""
    named = (getattr(net, "pretrained_cfg", None) or {}).get("classifier") or ()
    return [named] if isinstance(named, str) else list(named)


def _pre_logits(net: Any) -> int:
    """d of a network's features before the classification layer."""
    return int(getattr(net, "head_hidden_size", None) or net.num_features)


def _torchvision_net(name: str, num_classes: int, size: int | None) -> nn.Module:
    models: Any = import_real("torchvision.models")
    options: dict[str, Any] = {}
    if name in ("inception_v3", "googlenet"):
        options = {"aux_logits": False, "init_weights": True}
    if size is not None:
        options = {"input_size": (size, size)} if name == "maxvit_t" else {"image_size": size}
    net: Any = models.get_model(name, weights=None, num_classes=num_classes, **options)
    if name.startswith("squeezenet"):
        net.classifier = _linear_instead(net.classifier, num_classes)
    return TorchvisionNet(net, num_classes)


def _linear_instead(classifier: nn.Sequential, num_classes: int) -> nn.Sequential:
    """SqueezeNet's head, which is a convolution of 1 x 1 and then the mean. ours: the mean, and nn.Linear."""
    width = next(part.in_channels for part in classifier if isinstance(part, nn.Conv2d))
    mean = nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(nn.Dropout(), mean, nn.Flatten(), nn.Linear(width, num_classes))


class TorchvisionNet(TensorNet):
    """A network of torchvision, from (B, 3, H, W) to (B, C), with the interface of USB's."""

    def __init__(self, net: nn.Module, num_classes: int) -> None:
        super().__init__(net, num_classes)
        self.heads = (f"{self.head}.",)

    def group_matcher(self, coarse: bool = False, prefix: str = "") -> Callable[[str], float]:
        """Where the layers stand, for USB's `layer_decay`: see `TimmNet.group_matcher`."""
        return _numbered(self.net, f"{prefix}net.")

    def no_weight_decay(self) -> tuple[str, ...]:
        """No parameter is left out of weight decay by its name."""
        return ()


def _by_name(layers: dict[str, int], prefix: str) -> Callable[[str], float]:
    """The layer of a parameter by its name; of one that is not below the prefix, the last."""
    return lambda name: layers.get(name.removeprefix(prefix), float("inf"))


def _numbered(net: nn.Module, prefix: str) -> Callable[[str], float]:
    """Layers by the order in which a network has them, where its author says nothing.

    ours: an element of a sequence is a layer, and so is each other part, but for one with most of the
    network's numbers, whose own parts are; what belongs to no part, such as a class token, is the first's.
    """
    most = sum(p.numel() for p in net.parameters()) // 2
    units = list(_units(net, "", most))
    layers = {
        name: next((i for i, unit in enumerate(units) if name.startswith(unit)), 0)
        for name, _ in net.named_parameters()
    }
    return _by_name(layers, prefix)


def _units(part: nn.Module, path: str, most: int) -> Iterator[str]:
    """Beginnings of the names of each layer's parameters, in order."""
    for name, child in part.named_children():
        here = f"{path}{name}."
        if isinstance(child, nn.Sequential | nn.ModuleList):
            yield from (f"{here}{step}." for step, _ in child.named_children())
        elif sum(p.numel() for p in child.parameters()) > most:
            yield from _units(child, here, most)
        else:
            yield here
