"""Contradictions between a data set of texts, its network and what goes through it at once."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings

TEXTS: tuple[str, ...] = (
    "aclImdb", "ag_news", "amazon_review", "dbpedia", "yahoo_answers", "yelp_review",
)  # fmt: skip
"""USB's data sets of texts."""

TEXT_NETS: tuple[str, ...] = ("bert_base_uncased", "bert_base_cased")
"""USB's networks for texts."""

MIXING: tuple[str, ...] = ("mixmatch", "remixmatch")
"""Algorithms that mix inputs, which texts are not; USB mixes their features instead."""


def text_contradictions(settings: "Settings") -> Iterator[str]:
    """Sentences about texts for other networks, and about ways through one that need images.

    Args:
        settings: a model whose single values are already valid.
    """
    dataset, net = settings.dataset, settings.net
    texts = dataset in TEXTS
    if texts and net not in TEXT_NETS:
        yield f"net is {net}, but dataset {dataset} holds texts; use net: {' or '.join(TEXT_NETS)}"
    elif net in TEXT_NETS and not texts:
        yield f"net is {net}, which reads texts, but dataset is {dataset}"
    if texts and settings.use_cat:
        yield (
            f"use_cat is True, but the texts of {dataset} are padded part by part and cannot be joined "
            "to one batch; use use_cat: False"
        )
    if texts and settings.algorithm in MIXING and not settings.mixup_manifold:
        yield (
            f"mixup_manifold is {settings.mixup_manifold}, but {settings.algorithm} cannot mix texts "
            "themselves; use mixup_manifold: True"
        )
