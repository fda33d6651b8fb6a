"""USB's text networks and their tokenizers, from the Hugging Face hub or from a folder on disk.

USB always asks the hub for `bert-base-(un)cased`, whatever `pretrain_path` says, and its head is made for
768 features. Here `pretrain_path` may name a folder with `config.json`, weights and vocabulary, of any size;
what is missing is said in one line. (Removed by: "text networks from a local folder".)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from usb_ext.core.errors import DataMissing, reason
from usb_ext.upstream._loaded import semilearn  # noqa: F401  (imports semilearn through the bridges)
from usb_ext.upstream.running import Arguments, Collate
from usb_ext.upstream.stand_ins import import_real
from usb_ext.upstream.usb import get_collactor

# isort: split
from semilearn.nets.bert.bert import ClassificationBert

HUB = {"bert_base_cased": "bert-base-cased", "bert_base_uncased": "bert-base-uncased"}
"""Names of USB's text networks and what the hub calls their weights."""

VOCABULARY = ("vocab.txt", "tokenizer.json")
USB_WIDTH = 768


class TextNet(ClassificationBert):  # type: ignore[misc]
    """USB's text classifier around a BERT of any width.

    Args:
        source: name on the hub or folder.
        num_classes: C, outputs of the last layer of `classifier`.
    """

    def __init__(self, source: str, num_classes: int) -> None:
        super().__init__(source, num_classes=num_classes)
        width: int = self.bert.config.hidden_size
        if width != USB_WIDTH:
            self.num_features = width
            layers = nn.Linear(width, width), nn.GELU(), nn.Linear(width, num_classes)
            self.classifier = nn.Sequential(*layers)


def text_net(net: str, num_classes: int, folder: str | None = None) -> torch.nn.Module:
    """A text network with its pre-trained weights.

    Args:
        net: `bert_base_uncased` or `bert_base_cased`.
        num_classes: C.
        folder: where `config.json` and weights lie; None for the hub (fetched once, then its cache).

    Returns:
        A module from {"input_ids", "attention_mask"}, each (B, L), to {"logits": (B, C), "feat": (B, d)}.

    Raises:
        DataMissing: neither folder nor hub has them.
    """
    source = _source(net, folder, ("config.json",))
    with _named_on_failure(f"weights of net {net}", source), _no_bars():
        module: torch.nn.Module = TextNet(source, num_classes)
    return module


def collate_of(args: Arguments) -> Collate:
    """What makes a batch of a list of samples: USB's collators, for texts with the run's own vocabulary.

    Args:
        args: the run's namespace.

    Raises:
        DataMissing: neither folder nor hub has the vocabulary.
    """
    if args.net in HUB:
        return _text_collate(args.net, args.pretrain_path or None, args.max_length)
    collate: Collate = get_collactor(args, args.net)
    return collate


@cache
def _text_collate(net: str, folder: str | None, max_length: int) -> Collate:
    import_real("transformers")
    from semilearn.datasets.collactors.nlp_collactor import DataCollatorWithPadding
    from transformers import BertTokenizerFast

    source = _source(net, folder, VOCABULARY)
    with _named_on_failure(f"vocabulary of net {net}", source):
        tokenizer = BertTokenizerFast.from_pretrained(source)
    collate: Collate = DataCollatorWithPadding(tokenizer, max_length=max_length)
    return collate


def _source(net: str, folder: str | None, needed: tuple[str, ...]) -> str:
    """The hub's name, or the folder if one of the files needed lies in it."""
    if not folder:
        return HUB[net]
    path = Path(folder).expanduser()
    if not any((path / name).is_file() for name in needed):
        raise DataMissing(
            f"pretrain_path is {folder!r}, but no {' or '.join(needed)} lies there; net {net} needs a "
            "folder as save_pretrained of transformers writes it, or pretrain_path: None for the hub"
        )
    return str(path)


@contextmanager
def _no_bars() -> Iterator[None]:
    """Without the hub's progress bars, which would stand between the lines of a log."""
    bars: Any = import_real("transformers").utils.logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


@contextmanager
def _named_on_failure(what: str, source: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise DataMissing(
            f"{what} could not be loaded from {source} ({reason(error)}); download "
            "config.json, the weights and vocab.txt, and name their folder with --pretrain_path"
        ) from error
