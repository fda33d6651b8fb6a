"""A small fully-connected network with the interface of USB's networks."""

from typing import Any

import torch
from torch import nn


class MLP(nn.Module):
    """Hidden layers with ReLU, and a head `classifier` (Ren et al., 2020, Sec. 4.1).

    Args:
        num_classes: C.
        features: numbers an example has.
        widths: of the hidden layers.
    """

    def __init__(
        self, num_classes: int, features: int = 2, widths: tuple[int, ...] = (100, 100)
    ) -> None:
        super().__init__()
        sizes = (features, *widths)
        layers = [nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False)]
        self.body = nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))
        self.classifier = nn.Linear(sizes[-1], num_classes)
        self.num_features = sizes[-1]

    def forward(self, x: torch.Tensor, only_fc: bool = False, only_feat: bool = False) -> Any:
        """`{"logits": (B, C), "feat": (B, d)}` of inputs (B, features).

        Args:
            x: inputs, or features (B, d) with `only_fc`.
            only_fc: give the head's logits (B, C) alone.
            only_feat: give the features (B, d) alone.
        """
        if only_fc:
            return self.classifier(x)
        feat = self.body(x)
        return feat if only_feat else {"logits": self.classifier(feat), "feat": feat}

    def group_matcher(self, coarse: bool = False, prefix: str = "") -> dict[str, Any]:
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
