"""`selected.json`: which images are to be labelled, in which order.

Keys: `ids` (positions in the training set, or file names), `order` (0 first), `cluster` (the cluster each
stands for, -1 for none), `files` (file names or null), `strategy`, `seed`, `dataset`. A plain list of
positions, such as the `labelled.json` of a run, is read too.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from usb_ext.atomic_files import write_json
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.npz_file import make_folder


@dataclass(frozen=True, eq=False)
class Selected:
    """The content of a selection.

    Attributes:
        ids: positions or file names, in the order chosen.
        cluster: cluster of each, -1 for none.
        files: file name of each, None where images have none.
        strategy: how they were chosen.
        seed: of the choice.
        dataset: name of the data set, None where unknown.
    """

    ids: list[int] | list[str]
    cluster: list[int]
    files: list[str] | None = None
    strategy: str = "given"
    seed: int = 0
    dataset: str | None = None


def write_selected(path: Path, selected: Selected) -> None:
    """Write the file whole or not at all."""
    make_folder(path.parent)
    order = list(range(len(selected.ids)))
    write_json(path, {"format": "usb_ext selected 1", **vars(selected), "order": order})


def read_selected(path: Path) -> Selected:
    """Read a selection.

    Raises:
        DataMissing: no such file.
        SettingsError: not a selection, or an id twice.
    """
    content = read_json(path, "selection")
    entries = selected_ids(content)
    if not isinstance(entries, list) or not entries:
        raise SettingsError(
            f"{path} holds no selection; expected the selected.json of `usb-ext select`, or a list of "
            "positions such as [12, 7, 803]"
        )
    whole = all(isinstance(e, int) and not isinstance(e, bool) for e in entries)
    if not whole and not all(isinstance(e, str) for e in entries):
        raise SettingsError(f"{path}: ids must be all positions or all file names")
    if len(set(entries)) < len(entries):
        twice = next(e for e in entries if entries.count(e) > 1)
        raise SettingsError(f"{path}: id {twice} stands there more than once")
    given: dict[str, Any] = content if isinstance(content, dict) else {}
    return Selected(
        entries,
        given.get("cluster") or np.full(len(entries), -1).tolist(),
        given.get("files"),
        given.get("strategy", "given"),
        given.get("seed", 0),
        given.get("dataset"),
    )


def selected_ids(content: Any) -> Any:
    """The ids of a selection, or the content itself where it is something else."""
    return content["ids"] if isinstance(content, dict) and "ids" in content else content


def read_json(path: Path, what: str) -> Any:
    """The content of a JSON file.

    Args:
        path: the file.
        what: what it is called in messages.

    Raises:
        DataMissing: it cannot be read.
        SettingsError: it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataMissing(f"cannot read {what} {path}: {error}") from error
    except ValueError as error:  # malformed JSON (with its line) or not UTF-8
        raise SettingsError(f"{what} {path} is not JSON: {error}") from error
