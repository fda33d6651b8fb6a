"""Finding the classification layer of a network and watching what goes through it.

Every USB network ends in a linear layer, under different names: `classifier` (WRN, ResNet), `head`
(ViT), the last layer of a small Sequential (BERT, HuBERT, wave2vec). LayerMatch's theta is everything
below that layer and beta is the layer (Sec. 3), so both of its parts hang on this tap.
"""

from typing import Any

import torch
from torch import nn

from usb_ext.core.errors import SettingsError
from usb_ext.functional.grad_relu import grad_relu_linear

HEAD_NAMES = ("classifier", "head", "fc")


def find_head(model: nn.Module, num_classes: int) -> nn.Linear:
    """The last linear layer of a network (beta of LayerMatch, Sec. 3).

    Args:
        model: a USB network, or one wrapped by an algorithm (`backbone`), `module` or compilation.
        num_classes: C; the layer must have C outputs.

    Returns:
        The layer itself, weight of shape (C, d).

    Raises:
        SettingsError: when no such layer is found.
    """
    for owner in (model, *model.modules()):
        for name in HEAD_NAMES:
            layer = _last_linear(getattr(owner, name, None), num_classes)
            if layer is not None:
                return layer
    raise SettingsError(
        f"no classification layer with {num_classes} outputs found in {type(model).__name__}; "
        f"grad_relu and avg_clustering need a torch.nn.Linear named one of {', '.join(HEAD_NAMES)}; "
        "name it so, or run without them"
    )


def _last_linear(candidate: object, num_classes: int) -> nn.Linear | None:
    if not isinstance(candidate, nn.Module):
        return None
    linears = [m for m in candidate.modules() if isinstance(m, nn.Linear)]
    if not linears or linears[-1].out_features != num_classes:
        return None
    return linears[-1]


class HeadTap:
    """Remembers the head's last input and, when asked, applies Grad-ReLU to its output.

    Args:
        head: the classification layer.

    Attributes:
        features: (B, d), input of the last training forward pass, part of the graph; None before.
        labelled_rows: how many leading rows of the coming forward pass are labelled.
        grad_relu: whether rows after those are cut off from the head's parameters.
    """

    def __init__(self, head: nn.Linear) -> None:
        self.head = head
        self.features: torch.Tensor | None = None
        self.labelled_rows: int | None = None
        self.grad_relu = False
        head.register_forward_hook(self._after_forward)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _after_forward(
        self, head: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor
    ) -> torch.Tensor | None:
        if not (head.training and torch.is_grad_enabled()):
            return None
        if head is not self.head:
            raise SettingsError(
                "the network is split over devices by DataParallel, which mixes labelled and "
                "unlabelled rows; grad_relu and avg_clustering need one process a device"
            )
        features: torch.Tensor = inputs[0]
        self.features = features
        if not self.grad_relu or self.labelled_rows is None:
            return None
        if self.labelled_rows >= features.shape[0]:
            return None
        return grad_relu_linear(features, self.head.weight, self.head.bias, self.labelled_rows)

    def inputs(self) -> torch.Tensor:
        """(B, d), what the head got in the last training forward pass.

        Raises:
            SettingsError: if the network went round the layer, so that nothing could be done to it.
        """
        if self.features is None:
            raise SettingsError(
                "the network computes its logits without calling its classification layer "
                "(torch.nn.Linear) as a module, so grad_relu and avg_clustering cannot act; call the "
                "layer in the network's forward"
            )
        return self.features

    def forget(self) -> None:
        """Drop the remembered features, so that the graph of a step can be freed."""
        self.features = None
        self.labelled_rows = None
