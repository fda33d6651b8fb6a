"""Whose folder is it: what may be written into one, continued in it, or replaced.

Every folder that a stage writes into carries a marker, `.usb_ext.json`, which is written first. A run's
folder belongs to the run as a whole; files in other folders are listed one by one (`core/outputs.py`).
Nothing that the package did not write is ever touched.

`--overwrite` moves a run aside, to `NAME.replaced-TIME`; the first checkpoint of the new run removes it.
"""

import logging
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from usb_ext.core.errors import SettingsError, reason
from usb_ext.core.files import RunFolder, json_of, write_json
from usb_ext.core.lock import LOCK, locked

_log = logging.getLogger(__name__)
MARKER = ".usb_ext.json"
RUN, PRETRAIN = "train", "pretrain"
STAGES = {RUN: "a run", PRETRAIN: "a pre-training"}

CHECKPOINTS = ("latest_model.pth", "previous_model.pth")
WORTH = frozenset(
    (*CHECKPOINTS, "model_best.pth", "result.json", "backbone.pth", "features.npz", "pretrain.json")
)
"""What a run does not leave before its first checkpoint; the next run may not write over it unasked."""

LEFT_OVERS = (
    *("config.yaml", "model.json", "data.json", "labelled.json", "validation.json"),
    *("metrics.jsonl", "calibration.json", "bad_files.txt", "frozen_network.safetensors"),
    *("curves.png", "confusion.png", "boundary.png"),
    *("weights.npz", "weights.png", "weights_images.png"),
)
"""What goes when a run starts anew in its folder; `log.txt` is written on."""

KNOWN = WORTH | {*LEFT_OVERS, "damaged_model.pth", "log.txt", MARKER, LOCK}
PATTERN = re.compile(r"metrics_\w+\.jsonl")
EVENTS = "tensorboard", "events.out.tfevents."
TEMPORARY = re.compile(r"\.(.+)\.part")
REPLACED = ".replaced-"


def occupied(path: Path) -> bool:
    """Whether a run may not simply start in a folder: it holds a run, or files of somebody else."""
    return bool(_names(path)) and (_stage(path) is None or bool(WORTH & set(_names(path))))


def check_run_folder(path: Path, *, resume: bool, overwrite: bool, stage: str = RUN) -> None:
    """Refuse a folder that a run may neither start in, nor continue, nor replace; touches nothing.

    Args:
        path: `save_dir/save_name`.
        resume: a folder with a checkpoint is continued.
        overwrite: a run is replaced, where it is not continued.
        stage: `train` or `pretrain`; a folder of the other is refused.

    Raises:
        SettingsError: in one line, with what lies there and what would work.
    """
    names, found = _names(path), _stage(path)
    if not names or (resume and found in (None, stage) and has_checkpoint(path)):
        return
    other = "choose another --save_name (pre-training: --ssl_name)"
    if found is None and not _of_older(path):
        raise SettingsError(
            f"{path} is no folder of a run: it holds {told(names)}, which usb_ext did not put there; "
            f"{other}"
        )
    if found not in (None, stage):
        raise SettingsError(
            f"{path} is the folder of {STAGES.get(str(found), 'another stage')}; {other}"
        )
    if found is not None and not WORTH & set(names):
        return
    if not overwrite:
        raise SettingsError(
            f"the run folder {path} exists already; continue it with --resume, replace it "
            "with --overwrite, or choose another --save_name"
        )
    _check_replaced(path)


class Hold:
    """A run's folder, held against other processes from the first moment that it exists.

    Args:
        path: as in `check_run_folder`, like the others.
    """

    def __init__(self, path: Path, resume: bool, overwrite: bool, stage: str) -> None:
        self.path, self.resume, self.overwrite, self.stage = path, resume, overwrite, stage
        self._locks, self._held = ExitStack(), False

    def open(self, *, found: bool) -> RunFolder:
        """The folder, ready to be written into; it exists afterwards and carries the marker.

        Args:
            found: a checkpoint has been found, and is continued.

        Raises:
            SettingsError: as in `check_run_folder`, or it cannot be made.
            RunFailed: another process works there.
        """
        if not self._held:
            self.take()
        replaced = open_run_folder(self.path, self.resume, self.overwrite, self.stage, found)
        if replaced is not None:
            self.take()
            _log.info("the run before is kept as %s until the first checkpoint", replaced)
        return RunFolder(self.path)

    def take(self) -> None:
        """Lock the folder, which is made if it is not there."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unmade(self.path, error) from error
        self._locks.enter_context(locked(self.path / LOCK, STAGES[self.stage]))
        self._held = True

    def release(self) -> None:
        """Let go."""
        self._locks.close()


@contextmanager
def holding(path: Path, *, resume: bool, overwrite: bool, stage: str = RUN) -> Iterator[Hold]:
    """Check a run's folder and hold it, if it exists; nothing is made before `Hold.open`.

    Raises:
        SettingsError: as in `check_run_folder`.
        RunFailed: another process works there.
    """
    check_run_folder(path, resume=resume, overwrite=overwrite, stage=stage)
    hold = Hold(path, resume, overwrite, stage)
    try:
        if path.is_dir():
            hold.take()
        yield hold
    finally:
        hold.release()


def open_run_folder(
    path: Path, resume: bool, overwrite: bool, stage: str, found: bool
) -> Path | None:
    """Make the folder of a run; gives the place of the run that was there before, if it was replaced.

    Args:
        path: as in `check_run_folder`, like `resume`, `overwrite` and `stage`.
        found: a checkpoint has been found, and is continued.
    """
    check_run_folder(path, resume=resume, overwrite=overwrite, stage=stage)
    continues, replaced = resume and has_checkpoint(path), None
    if continues and not found:
        raise SettingsError(
            f"{path} has a checkpoint that was not there at the start: another run has been there "
            "meanwhile; give the command again"
        )
    try:
        if not continues:
            replaced = _start_anew(path, stage)
        if _stage(path) is None:
            mark(path, {"stage": stage, "replaces": _replaced_before(path)})
        _sweep(path)
    except OSError as error:
        raise unmade(path, error) from error
    return replaced


def unmade(path: Path, error: OSError) -> SettingsError:
    """What is to be said of a folder that cannot be used."""
    return SettingsError(f"the folder {path} cannot be made or written into: {reason(error)}")


def _start_anew(path: Path, stage: str) -> Path | None:
    """An empty folder in this place: the run that was here stands aside, left-overs go."""
    aside = None
    if WORTH & set(_names(path)):
        if _stage(path) is None:
            mark(path, {"stage": stage, "replaces": []})
        aside = path.rename(_aside(path))
    path.mkdir(parents=True, exist_ok=True)
    for name in _names(path):
        if name in LEFT_OVERS or PATTERN.fullmatch(name):
            (path / name).unlink()
    return aside


def _sweep(path: Path) -> None:
    """Remove what writes that were killed have left half done."""
    for entry in path.iterdir():
        part = TEMPORARY.fullmatch(entry.name)
        if part and (part[1] in KNOWN or part[1] == "previous") and entry.is_file():
            entry.unlink()


def _aside(path: Path) -> Path:
    stem = path.with_name(f"{path.name}{REPLACED}{datetime.now():%Y%m%d-%H%M%S}")
    choices = [stem, *(stem.with_name(f"{stem.name}-{n}") for n in range(1, 1000))]
    return next(choice for choice in choices if not choice.exists())


def _replaced_before(path: Path) -> list[str]:
    """Folders that were moved aside for this one and wait for its first checkpoint."""
    start = f"{path.name}{REPLACED}"
    found = (p for p in path.parent.iterdir() if p.name.startswith(start))
    return sorted(p.name for p in found if not p.is_symlink() and _stage(p) is not None)


def drop_replaced(path: Path) -> None:
    """Remove what this run has replaced, now that it has a checkpoint; a file of others stays."""
    marker = read_marker(path)
    if not marker.get("replaces"):
        return
    for name in marker["replaces"]:
        old = path.parent / str(name)
        if old.name != name or not name.startswith(f"{path.name}{REPLACED}") or _stage(old) is None:
            continue
        if not _strange(old):
            _remove(old)
    write_json(path / MARKER, {**marker, "replaces": []})


def _remove(folder: Path) -> None:
    """Remove a folder of ours, its marker last."""
    for entry in sorted(folder.iterdir(), key=lambda p: p.name == MARKER):
        if entry.is_dir():
            for event in entry.iterdir():
                event.unlink()
            entry.rmdir()
        else:
            entry.unlink()
    folder.rmdir()


def _check_replaced(path: Path) -> None:
    """Refuse to replace a folder that holds more than a run.

    Raises:
        SettingsError: naming what it holds, or what it is.
    """
    if path.is_symlink():
        raise SettingsError(
            f"--overwrite does not follow links, and {path} is one; remove the link"
        )
    place = path.resolve()
    for what, kept in (("the working folder", Path.cwd()), ("your home folder", Path.home())):
        if kept.resolve() == place or place in kept.resolve().parents:
            raise SettingsError(f"--overwrite would replace {path}, which is or holds {what}")
    if strange := _strange(path):
        raise SettingsError(
            f"--overwrite would replace {path}, but usb_ext did not write what it holds beside the run: "
            f"{told(strange)}; move it away, or choose another --save_name"
        )


def _strange(path: Path) -> list[str]:
    """What a run's folder holds that no run writes."""
    ours = read_marker(path).get("files", [])
    return sorted(p.name for p in path.iterdir() if not (_is_known(p) or p.name in ours))


def _is_known(entry: Path) -> bool:
    if entry.is_symlink():
        return False
    if entry.is_dir():
        folder, start = EVENTS
        return entry.name == folder and all(
            p.is_file() and p.name.startswith(start) for p in entry.iterdir()
        )
    part = TEMPORARY.fullmatch(entry.name)
    name = part[1] if part else entry.name
    return name in KNOWN or name == "previous" or PATTERN.fullmatch(name) is not None


def told(names: Sequence[str]) -> str:
    """Names for a message, three at most."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _names(path: Path) -> list[str]:
    """What lies in a folder, but for the lock and the marker, whole or half written."""
    if not path.is_dir():
        return []
    passed = {LOCK, MARKER, f".{MARKER}.part"}
    return sorted(p.name for p in path.iterdir() if p.name not in passed)


def has_checkpoint(path: Path) -> bool:
    """Whether a run's folder has something to go on from."""
    return any((path / name).is_file() for name in CHECKPOINTS)


def _stage(path: Path) -> str | None:
    """The stage whose folder this is; None without a marker of a run."""
    stage = read_marker(path).get("stage")
    return stage if isinstance(stage, str) else None


def read_marker(path: Path) -> dict[str, Any]:
    """A folder's marker; empty where there is none that can be read."""
    try:
        content = json_of(path / MARKER)
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict) or content.get("made_by") != "usb_ext":
        return {}
    lists = [content.get(name, []) for name in ("files", "replaces")]
    whole = all(isinstance(v, list) and all(isinstance(n, str) for n in v) for v in lists)
    return content if whole else {}


def mark(path: Path, values: dict[str, Any]) -> None:
    """Write values into a folder's marker, beside those that it has."""
    write_json(path / MARKER, {"made_by": "usb_ext", "format": 1, **read_marker(path), **values})


def _of_older(path: Path) -> bool:
    """Whether a folder without a marker was left by an older version of ours."""
    records = {"result.json": "config_sha256", "pretrain.json": "made_with"}
    weights = (*CHECKPOINTS, "model_best.pth")
    return any(has_key(path / name, key) for name, key in records.items()) or any(
        _is_our_checkpoint(path / name) for name in weights
    )


def has_key(path: Path, key: str) -> bool:
    """Whether a file is a JSON object with a key."""
    try:
        content = json_of(path)
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and key in content


def _is_our_checkpoint(path: Path) -> bool:
    """Whether a file is a checkpoint with our part in it, told without torch."""
    try:
        with zipfile.ZipFile(path) as archive:
            index = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
            return b"usb_ext" in archive.read(index)
    except (OSError, ValueError, StopIteration, zipfile.BadZipFile, NotImplementedError):
        return False
