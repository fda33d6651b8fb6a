"""Evaluation of the averaged weights, on any device."""

from collections.abc import Iterable
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F

from usb_ext.core.classification import scores
from usb_ext.core.processes import put_together
from usb_ext.engine.statistics import averaged_network
from usb_ext.upstream.running import Batch, OnEngine, Scores

TOP = 5
Moved = TypeVar("Moved", torch.Tensor, dict[str, torch.Tensor])


def to_device(value: Moved, device: torch.device) -> Moved:
    """A tensor, or a dict of tensors, on the device."""
    if isinstance(value, dict):
        return {k: v.to(device, non_blocking=True) for k, v in value.items()}
    return value.to(device, non_blocking=True)


@torch.inference_mode()
def predict(
    model: torch.nn.Module, loader: Iterable[Batch], device: torch.device, out_key: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and labels of a whole split.

    Args:
        model: network in evaluation mode.
        loader: yields {"x_lb": (b, ...), "y_lb": (b,)}; with several processes this one's batches.
        device: where the network is.
        out_key: which of the network's outputs to read (`logits` but for imbalanced algorithms).

    Returns:
        (n, C) float32 logits and (n,) labels, both on the CPU.
    """
    logits, labels = [], []
    for batch in loader:
        outputs = model(to_device(batch["x_lb"], device))
        logits.append(outputs[out_key].float())
        labels.append(torch.as_tensor(batch["y_lb"]))
    found = torch.cat(logits) if logits else torch.empty(0, device=device)
    known = torch.cat(labels) if labels else torch.empty(0, dtype=torch.long)
    return put_together(found).cpu(), put_together(known.to(device)).cpu()


def evaluate(algorithm: OnEngine, split: str, out_key: str, return_logits: bool) -> Scores:
    """Scores of the averaged weights on a split, under USB's keys.

    Args:
        algorithm: the running algorithm.
        split: `eval`, `test` or another entry of its loaders.
        out_key: the output to read.
        return_logits: whether to add `SPLIT/logits`, an (n, C) array.

    Returns:
        `SPLIT/loss`, `top-1-acc`, `balanced_acc`, `precision`, `recall`, `F1`, and with more than five
        classes `top-5-acc`; the confusion matrix is left in `algorithm.last_confusion`.
    """
    loader = algorithm.loader_dict[split]
    with averaged_network(algorithm) as network:
        logits, labels = predict(network, loader, algorithm.device, out_key)
    result = _scored(algorithm, logits, labels) if (labels >= 0).any() else {}
    if return_logits:
        result["logits"] = logits.numpy()
    return {f"{split}/{key}": value for key, value in result.items()}


def _scored(algorithm: OnEngine, logits: torch.Tensor, labels: torch.Tensor) -> Scores:
    """Scores of the images whose class is known; there are none in an unlabelled folder."""
    known = labels >= 0
    found = scores(
        labels[known].numpy().astype(np.int64),
        logits[known].argmax(dim=-1).numpy(),
        algorithm.num_classes,
    )
    algorithm.last_confusion = found.confusion.tolist()
    top5 = {"top-5-acc": _top5(logits[known], labels[known])} if logits.shape[1] > TOP else {}
    return {
        **top5,
        "loss": F.cross_entropy(logits, labels, ignore_index=-1).item(),
        "top-1-acc": found.top1,
        "balanced_acc": found.balanced,
        "precision": found.precision,
        "recall": found.recall,
        "F1": found.f1,
    }


def _top5(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of the images (n, C) whose class (n,) is among the five of the largest logits."""
    likeliest = logits.topk(TOP, dim=-1).indices
    return (likeliest == labels[:, None]).any(dim=-1).double().mean().item()
