# Licensed under the MIT License.

import torch
import torch.distributed as dist
import torch.nn.functional as F
from semilearn.core.hooks import Hook


def grad_relu_linear(features, weight, bias, num_lb):
    """
    logits (B, C) of a linear layer whose parameters get no gradient from the rows after the first num_lb

    The gradient of those rows still reaches the features (LayerMatch, Sec. 4.2.1).

    Args:
        features: input of the layer (B, d), the labelled rows first
        weight: weight of the layer (C, d)
        bias: bias of the layer (C,), or None
        num_lb: number of labelled rows
    """
    supervised = F.linear(features[:num_lb], weight, bias)
    pseudo = F.linear(features[num_lb:], weight.detach(), None if bias is None else bias.detach())
    return torch.cat((supervised, pseudo))


class HeadTap:
    """
    keeps what the classification layer got in a training pass, and applies Grad-ReLU to what it gives

    `num_lb` is the number of labelled rows in the coming pass; None leaves the layer as it is.
    """

    def __init__(self, head, grad_relu):
        self.head = head
        self.grad_relu = grad_relu
        self.features = None
        self.num_lb = None
        head.register_forward_hook(self.after_forward)

    def after_forward(self, head, inputs, output):
        if not (head.training and torch.is_grad_enabled()):
            return None
        if head is not self.head:
            raise ValueError(
                "DataParallel mixes labelled and unlabelled rows; LayerMatch needs one process for each GPU"
            )
        self.features = inputs[0]
        if not self.grad_relu or self.num_lb is None or self.num_lb >= len(self.features):
            return None
        return grad_relu_linear(self.features, head.weight, head.bias, self.num_lb)

    def take(self):
        """
        the features (B, d) of the last pass; they are not kept, so that its graph can be freed
        """
        features, self.features, self.num_lb = self.features, None, None
        if features is None:
            raise ValueError("the network gives logits without calling its classification layer")
        return features


class AvgClusteringHook(Hook):
    """
    a slowly averaged copy of the classification layer, and the loss through it (LayerMatch, Eq. 8)

    The copy is the layer itself every `reset_iter` steps. In between it is
    m * copy + (1 - m) * (copy - lr * gradient), which is copy - (1 - m) * lr * gradient. Such a step is below
    what single precision adds to a weight, so the sum of the steps since the reset is kept by itself.
    The gradient is that of cross-entropy in a linear layer, in closed form; over processes it is averaged.
    """

    def __init__(self, head, reset_iter, momentum, lr):
        super().__init__()
        self.head = head
        self.reset_iter = reset_iter
        self.rate = (1.0 - momentum) * lr
        self.base = {}
        self.drift = {}

    @torch.no_grad()
    def reset(self):
        self.base = {name: p.detach().clone() for name, p in self.head.named_parameters()}
        self.drift = {
            name: torch.zeros_like(p, dtype=torch.promote_types(p.dtype, torch.float32))
            for name, p in self.base.items()
        }

    def averaged(self):
        """
        weight (C, d) and bias (C,) of the copy
        """
        return {name: base + self.drift[name] for name, base in self.base.items()}

    def loss(self, algorithm, features, targets, mask):
        """
        mean of mask * cross-entropy through the copy, which then moves; the features alone get its gradient

        Args:
            features: what the classification layer got for the strong views (B, d)
            targets: pseudo-labels (B,) or (B, C)
            mask: weight of each example (B,)
        """
        if not self.base or algorithm.it % self.reset_iter == 0:
            self.reset()
        head = {name: p.to(features.dtype) for name, p in self.averaged().items()}
        logits = F.linear(features, head["weight"], head.get("bias"))
        known = targets if targets.ndim == 1 else targets.to(logits)
        loss = (F.cross_entropy(logits, known, reduction="none") * mask).mean()
        self.step(algorithm, features.detach(), logits.detach(), targets, mask)
        return loss

    @torch.no_grad()
    def step(self, algorithm, features, logits, targets, mask):
        with torch.autocast(features.device.type, enabled=False):
            wide = self.drift["weight"].dtype
            features, probs = features.to(wide), torch.softmax(logits.to(wide), dim=-1)
            if targets.ndim == 1:
                targets = F.one_hot(targets, probs.shape[-1])
            targets = targets.to(wide)
            residual = probs * targets.sum(dim=-1, keepdim=True) - targets
            residual = residual * (mask.to(wide) / len(mask))[:, None]
            gradients = {"weight": residual.T @ features, "bias": residual.sum(dim=0)}
        for name, drift in self.drift.items():
            gradient = gradients[name]
            if algorithm.distributed and algorithm.world_size > 1:
                dist.all_reduce(gradient)
                gradient /= algorithm.world_size
            drift.sub_(gradient, alpha=self.rate)

    def state_dict(self):
        parts = {"base": self.base, "drift": self.drift}
        return {key: {name: p.cpu() for name, p in part.items()} for key, part in parts.items()}

    def load_state_dict(self, state):
        device = self.head.weight.device
        self.base, self.drift = (
            {name: p.to(device, copy=True) for name, p in state[key].items()}
            for key in ("base", "drift")
        )
