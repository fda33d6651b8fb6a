"""Contradictions around influence weighting and validation images, each with a remedy."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from usb_ext.settings.names import CARRIERS

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings


def influence_contradictions(settings: "Settings") -> Iterator[str]:
    """The sentences of every rule in this file.

    Args:
        settings: a model whose single values are already valid.
    """
    yield from _validation(settings)
    if "influence" in settings.extensions and settings.algorithm not in CARRIERS:
        yield (
            "influence weights one loss term of each unlabelled example, and the class of "
            f"{settings.algorithm} shows none; use algorithm: influence_uda or influence_fixmatch"
        )
    if "influence" in settings.active_extensions:
        yield from _influence(settings)


def _validation(s: "Settings") -> Iterator[str]:
    if s.num_val and s.val_index_file is not None:
        yield (
            f"num_val is {s.num_val} and val_index_file is {s.val_index_file!r}; a validation set is "
            "either drawn or listed: leave one of them out"
        )


def _influence(s: "Settings") -> Iterator[str]:
    if not s.num_val and s.val_index_file is None:
        yield (
            f"influence needs labelled images held out for validation, but num_val is {s.num_val} and "
            "val_index_file is not set; use num_val: 100, say (the paper: 1024 on CIFAR-10)"
        )
    if s.influence_every > s.num_train_iter:
        yield (
            f"influence_every is {s.influence_every} but num_train_iter is {s.num_train_iter}, so no "
            f"weight would ever move; use at most {s.num_train_iter}"
        )
    beyond = s.influence_params not in (None, "head")
    if beyond and s.influence_inverse not in ("identity", "neumann"):
        yield (
            f"influence_params is {s.influence_params} but influence_inverse {s.influence_inverse} is "
            "for the head alone; use influence_params: head, or influence_inverse: identity or neumann"
        )
    if s.influence_weights == "single" and s.influence_weights_file is not None:
        yield (
            f"influence_weights_file is {s.influence_weights_file!r} but influence_weights: single has "
            "one weight for all; leave the file out, or use influence_weights: per_example"
        )
