"""What the files that a run reads were made from, so that runs are compared by that and not by paths.

Two seeds of AS3L read two choices of images, at two places and of two contents; they are runs of one method,
since one stage made both from the same settings. A stage's record lies beside what it made: the choice
(`selected.made_with.json`), the prior pseudo-labels (`prior.made_with.json`), pre-training (`pretrain.json`).
Where there is none, the content counts, and of what is no file here (a URL) its name.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from usb_ext.core.errors import DataMissing
from usb_ext.core.files import file_sha256, record_of
from usb_ext.data.fingerprint import INPUTS, read_fingerprint
from usb_ext.settings.digest import INFLUENTIAL
from usb_ext.settings.model import default_of


class Origin(TypedDict, total=False):
    """What a file was made from.

    Attributes:
        sha256: of its content.
        made_with: the settings that its stage was given, with seeds and digests of what it read.
    """

    sha256: str
    made_with: dict[str, Any]


Origins = Mapping[str, Origin]
"""By the name of the setting that names the file."""

SELECTION = "selected.json"
OF_A_SEED = ("seed", "ssl_seed", "selected", "labels")
"""Entries of a record that hang on the seed: the seeds, and digests of what a stage before made with one."""

_DIGITS = 8


def origins_of(
    values: Mapping[str, Any], folder: Path, recorded: Origins | None = None
) -> dict[str, Origin]:
    """The origins of a run's files, as its record, or `data.json` and the stages' records tell of them.

    Args:
        values: the run's settings by name.
        folder: the run's, which holds `data.json`; without it no content is known.
        recorded: `RunResult.made_from`; None or empty for a run of an older version.
    """
    if recorded:
        return dict(recorded)
    found = read_fingerprint(folder)
    digests = {} if found is None else found.inputs
    return {
        name: _origin(Path(values[name]), digests[name])
        for name in INPUTS
        if name in digests and isinstance(values.get(name), str)
    }


def _origin(path: Path, sha256: str) -> Origin:
    """A file's; its stage's record counts as long as the file is still the one that the run read."""
    record = _record(path)
    if record is None:
        return Origin(sha256=sha256)
    try:
        unchanged = file_sha256(path) == sha256
    except DataMissing:
        unchanged = False
    return Origin(sha256=sha256, made_with=record) if unchanged else Origin(sha256=sha256)


def _record(path: Path) -> dict[str, Any] | None:
    """The record of the stage that made a file; None where there is none.

    A person's list of classes beside a choice (`to_label.csv`) is of that choice.
    """
    choice = path.with_name(SELECTION)
    csv = path.suffix.lower() == ".csv"
    for beside in (record_of(path), *([record_of(choice), choice] if csv else [path])):
        if found := _stated(beside):
            return found
    pretrained = _read(path.with_name("pretrain.json")).get("made_with")
    return pretrained if isinstance(pretrained, dict) and path.suffix == ".pth" else None


def _stated(path: Path) -> dict[str, Any]:
    """A record's content; of a selection itself what it says of its making (`usb-ext select`)."""
    content = _read(path)
    if "ids" not in content:
        return content
    return {"as3l_strategy": content.get("strategy", "given"), "seed": content.get("seed", 0)}


def _read(path: Path) -> dict[str, Any]:
    if path.suffix != ".json":
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def by_origin(values: Mapping[str, Any], origins: Origins) -> dict[str, Any]:
    """Settings with what files were made from in place of their paths, seeds apart.

    Args:
        values: a run's settings by name.
        origins: of its files.

    Returns:
        The same names. Of a file that a stage made: `made with` and what is not at its default there, nor the
        run's own; of another one the beginning of its digest; of one that nothing is known of the path.
    """
    told = {name: _in_words(origin, values) for name, origin in origins.items() if name in values}
    return {**values, **told}


def _in_words(origin: Origin, values: Mapping[str, Any]) -> str:
    made = origin.get("made_with")
    if made is None:
        return f"content {origin['sha256'][: 2 * _DIGITS]}"
    items = [
        f"{name} {value[:_DIGITS] if name == 'features' else value}"
        for name, value in sorted(made.items())
        if name not in OF_A_SEED and not _plain(name, value, values)
    ]
    return f"made with {', '.join(items) or 'default settings'}"


def _plain(name: str, value: object, values: Mapping[str, Any]) -> bool:
    """Whether an entry of a record tells nothing: the default, or what the run's settings say themselves."""
    if name in INFLUENTIAL:
        return bool(values.get(name) == value)
    try:
        default = default_of(name)
    except KeyError:
        return value is None
    return bool((list(default) if isinstance(default, tuple) else default) == value)


def selection_of(values: Mapping[str, Any], origins: Origins) -> str:
    """How the labelled images were chosen: `per_class`, `random`, a strategy of AS3L's, or `file`.

    Args:
        values: a run's settings by name.
        origins: of its files. `file` is a list that does not say where it comes from.
    """
    split = str(values.get("label_split") or default_of("label_split"))
    if split != "file":
        return split
    for name in ("label_file", "prior_file"):
        made = origins.get(name, {}).get("made_with", {})
        if "as3l_strategy" in made:
            return str(made["as3l_strategy"])
    return "file"


def self_supervised_of(values: Mapping[str, Any], origins: Origins) -> str | None:
    """How the initial weights were learned without labels, such as `simsiam`; None where nobody says so.

    Args:
        values: a run's settings by name.
        origins: of its files.
    """
    if not values.get("use_pretrain"):
        return None
    method = origins.get("pretrain_path", {}).get("made_with", {}).get("ssl_method")
    return None if method is None else str(method)


def label_seed_of(split_seed: int, origins: Origins) -> int:
    """Seed of the choice of labelled images: that of the stage that made the list, or the run's own.

    Args:
        split_seed: the run's.
        origins: of its files.
    """
    seed = origins.get("label_file", {}).get("made_with", {}).get("seed")
    return seed if isinstance(seed, int) else split_seed
