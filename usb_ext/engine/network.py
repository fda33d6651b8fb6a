"""The network of a run: built by its name, weights loaded strictly; or out of a checkpoint, as evaluated."""

from collections.abc import Mapping

import torch
from torch import nn

from usb_ext.core.errors import SettingsError
from usb_ext.data.feature_views import KeptViews
from usb_ext.engine.hooks.average import evaluated_state
from usb_ext.settings import Settings
from usb_ext.upstream.feature_transform import center_of
from usb_ext.upstream.nets import TEXT_AND_AUDIO, net_builder
from usb_ext.upstream.own_nets import Builder
from usb_ext.upstream.pretrained import load_weights
from usb_ext.upstream.running import Datasets, State, served
from usb_ext.upstream.text_nets import HUB, text_net
from usb_ext.upstream.usb_algorithms import second_head, wrappings
from usb_ext.upstream.weights import misfits, misfits_in_words


def builder(settings: Settings, center: torch.Tensor | None = None) -> Builder:
    """The network's builder, with weights loaded strictly when asked for.

    Args:
        settings: of the run.
        center: (d,) for `feature_transform: power`; None leaves it at 0, for weights that are loaded later.

    Returns:
        A callable as USB expects it; text and audio networks load their own weights.
    """
    build = net_builder(
        settings.net,
        settings.img_size,
        features=settings.feature_size or 2,
        transform=settings.feature_transform,
    )
    own_loading = settings.net in TEXT_AND_AUDIO

    def build_net(
        num_classes: int, pretrained: bool = False, pretrained_path: str | None = None
    ) -> torch.nn.Module:
        if settings.net in HUB:
            return text_net(settings.net, num_classes, settings.pretrain_path)
        if own_loading:
            return build(
                num_classes=num_classes, pretrained=pretrained, pretrained_path=pretrained_path
            )
        net = build(num_classes=num_classes)
        if center is not None:
            net.transform.center.copy_(center)  # type: ignore[union-attr, operator]
        if pretrained:
            load_weights(net, settings.net, pretrained_path or "", num_classes, settings.img_size)
        return net

    return build_net


def feature_center(settings: Settings, datasets: Datasets) -> torch.Tensor | None:
    """The centre (d,) of `feature_transform: power`, over the plain views of all training images.

    Args:
        settings: of the run.
        datasets: of the run, by USB's names.

    Returns:
        None for any other transform.
    """
    if settings.feature_transform == "none":
        return None
    split = "train_lb" if datasets["train_ulb"] is None else "train_ulb"
    views: KeptViews = served(datasets, split).data
    return center_of(torch.from_numpy(views.values[views.rows, 0]))


def tensors_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """All tensors of a network by name, of any shapes (...): copies on the CPU that share no memory."""
    return {k: v.detach().cpu().contiguous().clone() for k, v in network.state_dict().items()}


class SecondHead(nn.Module):
    """A network whose logits are those of another classifier on its features.

    Args:
        network: gives `{"logits": (B, C), "feat": (B, d)}`.
        weights: `weight` (C, d) and `bias` (C,) of the classifier.
    """

    def __init__(self, network: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.network = network
        self.head = nn.Linear(weights["weight"].shape[1], weights["weight"].shape[0])
        self.head.load_state_dict(weights)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """`{"logits": (B, C), "feat": (B, d)}` of inputs (B, ...)."""
        outputs: dict[str, torch.Tensor] = self.network(x)
        return {**outputs, "logits": self.head(outputs["feat"])}


def evaluated_network(settings: Settings, state: State) -> nn.Module:
    """The network of a checkpoint as it is evaluated: averaged weights, and the head that predicts.

    Args:
        settings: of the run.
        state: the checkpoint.

    Returns:
        From inputs (B, ...) to `{"logits": (B, C), "feat": (B, d)}`; in evaluation mode, on the CPU.

    Raises:
        SettingsError: the weights are not those of the network that the settings name.
    """
    network: nn.Module = builder(settings)(num_classes=settings.num_classes)
    prefix = "backbone." * wrappings(settings.algorithm, settings.imb_algorithm)
    averages, trained = (_below(prefix, state[key]) for key in ("ema_model", "model"))
    problems = misfits_in_words(misfits(network.state_dict(), averages))
    if problems:
        raise SettingsError(
            f"its weights are not those of net {settings.net} with {settings.num_classes} classes: keys "
            f"{problems}; give the run its own network back"
        )
    if settings.bn_statistics == "running":
        averages = evaluated_state(network, averages, trained)
    network.load_state_dict(averages, strict=False)
    epoch = max(0, state["it"] - 1) // max(1, settings.num_train_iter // settings.epoch)
    head = second_head(settings, epoch)
    if head is not None:
        network = SecondHead(network, _below(f"{head}.", state["ema_model"]))
    return network.eval()


def _below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
