"""USB's data sets of texts, without a copy of every text in the width of the longest.

USB turns its list of texts into one NumPy array, which gives each entry as many characters as the longest
review has: some gigabytes for IMDb. An array of objects holds the same texts and no copy. (Removed by:
"texts as objects".)
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usb_ext.core.errors import SettingsError
from usb_ext.upstream._loaded import semilearn  # noqa: F401  (imports semilearn through the bridges)

# isort: split
import semilearn.datasets.nlp_datasets.json_data as usb_json

TEXTS = ("aclImdb", "ag_news", "amazon_review", "dbpedia", "yahoo_answers", "yelp_review")


def as_objects(rows: list[tuple[str, ...]]) -> NDArray[np.object_]:
    """N rows of m texts as an array of shape (N, m) that refers to them.

    Args:
        rows: N tuples of equal length.
    """
    table = np.empty((len(rows), len(rows[0]) if rows else 0), dtype=object)
    for i, row in enumerate(rows):
        table[i] = row
    return table


@contextlib.contextmanager
def texts_shared() -> Iterator[None]:
    """Within, USB splits an array of objects instead of making one of characters."""
    original: Callable[..., Any] = usb_json.split_ssl_data

    def split(args: Any, data: Any, targets: Any, *rest: Any, **named: Any) -> Any:
        return original(args, as_objects(data), targets, *rest, **named)

    usb_json.split_ssl_data = split
    try:
        yield
    finally:
        usb_json.split_ssl_data = original


def damaged(dataset: str, folder: Path, error: Exception) -> SettingsError:
    """What is said of files that are there and are not as USB writes them.

    Args:
        dataset: its name.
        folder: where its files lie.
        error: what reading them raised.
    """
    why = f"no {error.args[0]!r}" if isinstance(error, KeyError) else str(error)[:120]
    return SettingsError(
        f"{dataset} in {folder} is not as USB writes it ({why}); train.json, dev.json and test.json hold "
        '{"0": {"ori": text, "aug_0": text, "aug_1": text, "label": class}, ...}, dev and test without aug'
    )
