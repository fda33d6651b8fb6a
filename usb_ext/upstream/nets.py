"""Networks by name: USB's own, `wrn_10_1`, `mlp_100_100`, or a function of the user's.

USB's `net_from_name: True` always fails and `resnet50` ignores the path of its weights; here the
network is built without weights, and they are loaded by one strict loader (`weights.py`).

A small fully-connected network with the interface of USB's networks.
"""

from difflib import get_close_matches

import torch
from torch import nn

from usb_ext.core.errors import SettingsError
from usb_ext.settings.feature_set import hidden_units, takes_vectors
from usb_ext.upstream._loaded import semilearn  # noqa: F401  (imports semilearn through the bridges)
from usb_ext.upstream.feature_transform import PowerTransform
from usb_ext.upstream.own_nets import Builder, own_builder
from usb_ext.upstream.zoo_nets import is_zoo, zoo_builder

# isort: split
import semilearn.nets as usb_nets
from semilearn.nets.resnet.resnet import ResNet50
from semilearn.nets.wrn import WideResNet


class MLP(nn.Module):
    """Hidden layers with ReLU, and a head `classifier` (Ren et al., 2020, Sec. 4.1).

    Args:
        num_classes: C.
        features: numbers an example has.
        widths: of the hidden layers.
        transform: from inputs (B, features) to what the first layer reads, of the same shape.
    """

    def __init__(
        self,
        num_classes: int,
        features: int = 2,
        widths: tuple[int, ...] = (100, 100),
        transform: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.transform = nn.Identity() if transform is None else transform
        sizes = (features, *widths)
        layers = [nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False)]
        self.body = nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))
        self.classifier = nn.Linear(sizes[-1], num_classes)
        self.num_features = sizes[-1]

    def forward(
        self, x: torch.Tensor, only_fc: bool = False, only_feat: bool = False
    ) -> torch.Tensor | dict[str, torch.Tensor]:
        """`{"logits": (B, C), "feat": (B, d)}` of inputs (B, features).

        Args:
            x: inputs, or features (B, d) with `only_fc`.
            only_fc: give the head's logits (B, C) alone.
            only_feat: give the features (B, d) alone.
        """
        if only_fc:
            logits: torch.Tensor = self.classifier(x)
            return logits
        feat: torch.Tensor = self.body(self.transform(x))
        return feat if only_feat else {"logits": self.classifier(feat), "feat": feat}

    def group_matcher(self, coarse: bool = False, prefix: str = "") -> dict[str, str]:
        """Where the layers stand, for USB's `layer_decay`."""
        return {"stem": rf"^{prefix}body\.0\.", "blocks": rf"^{prefix}body\.(\d+)"}

    def no_weight_decay(self) -> tuple[str, ...]:
        """No parameter is left out of weight decay by its name."""
        return ()


def mlp_100_100(
    num_classes: int, pretrained: bool = False, pretrained_path: str | None = None
) -> nn.Module:
    """Two hidden layers of 100 units, for data of two features (Ren et al., 2020, Sec. 4.1).

    Args:
        num_classes: C, outputs of the head `classifier`.
        pretrained: ignored; weights are loaded by `usb_ext.upstream.weights`.
        pretrained_path: ignored likewise.
    """
    return MLP(num_classes)


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


class ResNet50WithHead(ResNet50):  # type: ignore[misc]
    """USB's ResNet-50, whose `only_fc` asks for a layer `fc` that it does not have.

    (Removed by: "resnet50: only_fc by the classifier".)
    """

    def forward(
        self, x: torch.Tensor, only_fc: bool = False, only_feat: bool = False, **named: object
    ) -> torch.Tensor | dict[str, torch.Tensor]:
        """`{"logits": (B, C), "feat": (B, 2048)}` of images (B, 3, H, W), as `MLP.forward` of points."""
        if only_fc:
            logits: torch.Tensor = self.classifier(x)
            return logits
        found: torch.Tensor | dict[str, torch.Tensor] = super().forward(
            x, only_feat=only_feat, **named
        )
        return found


def resnet50(
    num_classes: int, pretrained: bool = False, pretrained_path: str | None = None
) -> torch.nn.Module:
    """ResNet-50 on USB's class (He et al., 2016).

    Args:
        num_classes: C, outputs of the head `classifier`.
        pretrained: ignored; weights are loaded by `usb_ext.upstream.weights`.
        pretrained_path: ignored likewise.

    Returns:
        A module from images (B, 3, H, W) to {"logits": (B, C), "feat": (B, 2048)}.
    """
    net: torch.nn.Module = ResNet50WithHead(num_classes=num_classes)
    return net


OURS: dict[str, Builder] = {"wrn_10_1": wrn_10_1, "resnet50": resnet50, "mlp_100_100": mlp_100_100}


def net_names() -> list[str]:
    """Every name `net:` accepts besides `timm/NAME`, `torchvision/NAME` and `package.module:function`."""
    usb = [n for n in vars(usb_nets) if callable(getattr(usb_nets, n))]
    return sorted(set(usb) | set(OURS))


def vector_net(name: str, features: int, transform: str = "none") -> Builder:
    """The builder of a network for vectors.

    Args:
        name: `linear`, or `mlp_256_64` for hidden layers of 256 and 64 units.
        features: d, numbers that an example has.
        transform: as the setting `feature_transform`; the centre of `power` is 0 until it is set.
    """

    def build(
        num_classes: int, pretrained: bool = False, pretrained_path: str | None = None
    ) -> nn.Module:
        before = PowerTransform(features) if transform == "power" else None
        return MLP(num_classes, features, hidden_units(name), before)

    return build


def net_builder(
    name: str, img_size: int | None = None, *, features: int = 2, transform: str = "none"
) -> Builder:
    """The builder of a network by its name.

    Args:
        name: a name of `net_names()`; `timm/NAME` or `torchvision/NAME` (`zoo_nets.py`); or
            `package.module:function` for the user's own network, called as `function(num_classes=C)`; one
            whose forward gives logits alone is wrapped (`own_nets.py`).
        img_size: S, side of the images in pixels, which some of timm's and torchvision's have to know.
        features: d, numbers that an example has, for networks of vectors (`linear`, `mlp_256`); 2 are points.
        transform: what networks of vectors do with an example first, as the setting `feature_transform`.

    Returns:
        A callable with keyword arguments `num_classes`, `pretrained`, `pretrained_path`.

    Raises:
        SettingsError: for an unknown name.
    """
    if is_zoo(name):
        return zoo_builder(name, img_size)
    if ":" in name:
        return own_builder(name)
    if takes_vectors(name):
        return vector_net(name, features, transform)
    if name in OURS:
        return OURS[name]
    builder: Builder | None = getattr(usb_nets, name, None)
    if builder is None or name not in net_names():
        near = get_close_matches(name.lower(), net_names(), n=1, cutoff=0.85)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise SettingsError(
            f"net is {name!r}{hint}; known: {', '.join(net_names())}; networks of timm and torchvision are "
            "timm/NAME and torchvision/NAME, a network of your own is package.module:function"
        )
    return builder
