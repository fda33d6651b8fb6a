"""Values that are each allowed and that no run can carry: names no disk takes, numbers no counter holds, and
options that fail in the first steps of a run."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from usb_ext.settings.data import TEXTS

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings

LONGEST_NAME = 240
"""Bytes of a name in a path: 255 on usual disks, less what is put before and after it for a time."""

LARGEST = 2**53
"""Whole numbers up to here are exact as floats too, and fit every counter."""


def limit_contradictions(settings: "Settings") -> Iterator[str]:
    """The sentences of every rule in this file.

    Args:
        settings: a model whose single values are already valid.
    """
    for rule in (_names, _numbers, _momentum, _embeddings):
        yield from rule(settings)


def _names(s: "Settings") -> Iterator[str]:
    for name, value in s:
        if isinstance(value, str) and "\0" in value:
            yield f"{name} is {value[:40]!r}, which holds a NUL character that no file name can have"
    for name in ("save_dir", "save_name", "data_dir", "ssl_name", "as3l_name"):
        parts = str(getattr(s, name) or "").split("/")
        longest = max(len(part.encode(errors="surrogateescape")) for part in parts)
        if longest > LONGEST_NAME:
            yield (
                f"{name} holds a name of {longest} bytes, beginning {max(parts, key=len)[:20]!r}; use at "
                f"most {LONGEST_NAME}"
            )


def _numbers(s: "Settings") -> Iterator[str]:
    for name, value in s:
        values = value if isinstance(value, tuple) else (value,)
        if any(isinstance(v, int) and abs(v) > LARGEST for v in values):
            yield f"{name} is larger than any run can count; use at most {LARGEST}"


def _momentum(s: "Settings") -> Iterator[str]:
    if s.optim == "SGD" and s.momentum == 0:
        yield (
            "momentum is 0, but SGD here is Nesterov's, as in USB, which needs one above 0; use "
            "momentum: 0.9, or optim: AdamW"
        )


def _embeddings(s: "Settings") -> Iterator[str]:
    if s.vat_embed and s.dataset not in TEXTS:
        yield (
            f"vat_embed is True, which perturbs the embeddings of words, but dataset is {s.dataset}; use "
            "vat_embed: False"
        )
