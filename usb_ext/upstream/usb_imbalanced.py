"""What USB's imbalanced algorithms need of their options and labels; USB finds out in the middle of a run.

Each need was found by running the algorithm on small sets. (Removed by: "say which labels an imbalanced
algorithm needs".)
"""

from collections.abc import Sequence
from typing import Any

from usb_ext.core.errors import SettingsError
from usb_ext.settings.data import TOYS

GROWING = ("crest", "crest+")
"""Imbalanced algorithms whose labelled set grows by images of the unlabelled one, as arrays of bytes."""

EVERY_CLASS = {
    "abc": "weights each class by its number of labels",
    "cossl": "draws its classes evenly from the labels",
    "tras": "weights each class by its number of labels",
    "saw": "weights each class by its number of labels",
}
"""Imbalanced algorithms that divide by the number of labels of a class, and why."""


def check_imbalanced_options(settings: Any) -> None:
    """Refuse options with which the algorithm fails after some steps.

    Args:
        settings: resolved, every option of the algorithm with a value.

    Raises:
        SettingsError: the option, its value and what works.
    """
    s = settings
    if s.imb_algorithm in GROWING and s.dataset in TOYS:
        raise SettingsError(
            f"imb_algorithm {s.imb_algorithm} adds pseudo-labelled images to the labelled ones, and dataset "
            f"{s.dataset} is points of the plane; use a data set of images, or another imb_algorithm, "
            "such as debiaspl"
        )
    if s.imb_algorithm == "daso" and s.daso_num_pretrain_iter < s.daso_num_pl_dist_iter:
        raise SettingsError(
            f"daso_num_pretrain_iter is {s.daso_num_pretrain_iter}, but daso mixes by the pseudo-labels it "
            f"has counted, first after daso_num_pl_dist_iter {s.daso_num_pl_dist_iter} steps; use a "
            f"daso_num_pretrain_iter of at least {s.daso_num_pl_dist_iter}, or count over fewer steps"
        )
    if s.imb_algorithm == "cossl":
        for name in ("batch_size", "cossl_tfe_warm_bs"):
            if getattr(s, name) < 2:
                raise SettingsError(
                    f"{name} is {getattr(s, name)}, but cossl cannot train its second head on batches of "
                    f"one; use {name}: 2 or more"
                )


def check_label_counts(settings: Any, counts: Sequence[int], unlabelled: int) -> None:
    """Refuse labels on which the algorithm fails, or trains on numbers that are not finite.

    Args:
        settings: resolved.
        counts: number of labels of each class, C of them.
        unlabelled: number of unlabelled images.

    Raises:
        SettingsError: what is missing, and what works.
    """
    name = settings.imb_algorithm
    empty = [c for c, count in enumerate(counts) if count == 0]
    if name in EVERY_CLASS and empty:
        shown = ", ".join(map(str, empty[:10])) + (", ..." if len(empty) > 10 else "")
        raise SettingsError(
            f"imb_algorithm {name} {EVERY_CLASS[name]}, but {len(empty)} of {len(counts)} classes have none "
            f"({shown}); label at least one image of each, such as by label_split: per_class with more "
            "num_labels, or use another imb_algorithm, such as debiaspl"
        )
    if name == "cossl":
        _check_second_head(settings.cossl_tfe_warm_bs, sum(counts), unlabelled)


def _check_second_head(batch: int, labels: int, unlabelled: int) -> None:
    """CoSSL's second head is trained on whole batches, and its features are lost in a batch of one."""
    fitting = [n for n in range(2, labels + 1) if 1 not in (labels % n, unlabelled % n)]
    if batch in fitting:
        return
    why = (
        f"there are {labels} labels, so that cossl's second head would be trained on no batch"
        if batch > labels
        else f"{labels} labels and {unlabelled} unlabelled images leave a batch of one, where cossl fails"
    )
    nearest = min(fitting, key=lambda n: abs(n - batch), default=None)
    remedy = "label more images" if nearest is None else f"use --cossl_tfe_warm_bs {nearest}"
    raise SettingsError(f"cossl_tfe_warm_bs is {batch}, but {why}; {remedy}")
