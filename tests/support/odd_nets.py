"""Networks whose classification layer is hard to find or to see."""

from typing import Any

import torch


class PlainNet(torch.nn.Module):
    """Its head is called `last`, a name that is not looked for."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.last = torch.nn.Linear(3, num_classes)

    def forward(self, x: torch.Tensor, **_: Any) -> dict[str, torch.Tensor]:
        feat = x.mean(dim=(2, 3))
        return {"logits": self.last(feat), "feat": feat}


class RoundTheHead(PlainNet):
    """Has a `classifier` and computes with its weight, so that the layer itself is never called."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.classifier = self.last

    def forward(self, x: torch.Tensor, **_: Any) -> dict[str, torch.Tensor]:
        feat = x.mean(dim=(2, 3))
        logits = torch.nn.functional.linear(feat, self.last.weight, self.last.bias)
        return {"logits": logits, "feat": feat}
