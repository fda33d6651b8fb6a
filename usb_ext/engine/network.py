"""The network of a run: built by its name, with weights loaded strictly where they are asked for."""

from typing import Any

import torch

from usb_ext.settings import Settings
from usb_ext.upstream.nets import TEXT_AND_AUDIO, net_builder
from usb_ext.upstream.own_nets import bare
from usb_ext.upstream.text_nets import HUB, text_net
from usb_ext.upstream.weights import load_pretrained


def builder(settings: Settings) -> Any:
    """The network's builder, with weights loaded strictly when asked for.

    Returns:
        A callable as USB expects it; text and audio networks load their own weights.
    """
    build = net_builder(settings.net)
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
        if pretrained:
            load_pretrained(bare(net), pretrained_path or "", num_classes)
        return net

    return build_net
