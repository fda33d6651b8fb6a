"""Finding the classification layer of a network and watching what goes through it.

Every USB network ends in a linear layer, under different names: `classifier` (WRN, ResNet), `head`
(ViT), the last layer of a small Sequential (BERT, HuBERT, wave2vec). LayerMatch's theta is everything
below that layer and beta is the layer (Sec. 3), so both of its parts hang on this tap.

Grad-ReLU: the classification layer learns from labelled examples alone (LayerMatch, Sec. 4.2.1).

The rule of the paper: the gradient of a loss with respect to a parameter W is set to zero if W belongs
to the classification layer and the loss is not the supervised one; everywhere else it is untouched.

One forward pass is enough. The rows of the labelled examples go through the layer as usual; the other
rows go through the same numbers as constants. Their logits keep their values and their gradient with
respect to the features, but no path leads from them to the layer's parameters. Because the rule is
part of the graph, whatever follows the backward pass (loss scaling, clipping, weight decay,
accumulation, averaging over processes) needs no care.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from usb_ext.core.errors import SettingsError
from usb_ext.upstream.heads import HEAD_NAMES


def grad_relu_linear(
    features: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    labelled_rows: int,
) -> torch.Tensor:
    """Logits of a linear layer whose parameters see only the first rows (LayerMatch, Sec. 4.2.1).

    Args:
        features: (B, d), input of the layer; labelled examples first.
        weight: (C, d).
        bias: (C,) or None.
        labelled_rows: n in 0..B, how many leading rows are labelled.

    Returns:
        (B, C) logits, equal to `features @ weight.T + bias`; rows n..B-1 carry gradient to `features`
        only.

    Raises:
        ValueError: if `labelled_rows` is negative or larger than B.
    """
    if not 0 <= labelled_rows <= features.shape[0]:
        raise ValueError(f"labelled_rows is {labelled_rows}; allowed: 0..{features.shape[0]}")
    supervised = F.linear(features[:labelled_rows], weight, bias)
    constant_bias = None if bias is None else bias.detach()
    pseudo = F.linear(features[labelled_rows:], weight.detach(), constant_bias)
    return torch.cat((supervised, pseudo))


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
