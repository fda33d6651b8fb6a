"""The folder a run leaves: `save_dir/save_name/`, and what may happen to one that is there already.

Nothing is ever deleted without `--overwrite` on the command line; files are replaced in one step.

Files that are whole or not there: written beside their place, flushed to disk, then renamed.

What a file was made from, kept beside it: a stage whose output is there from the same is skipped.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usb_ext.core.errors import (
    DataMissing,
    RunFailed,
    SettingsError,
    from_os_error,
    reason,
    told_in_a_line,
)

FIRST_FILES = frozenset(
    {
        *("config.yaml", "labelled.json", "log.txt", "metrics.jsonl", "tensorboard"),
        *("calibration.json", ".calibration.json.part", ".latest_model.pth.part"),
        *(".config.yaml.part", ".labelled.json.part"),
    }
)
"""What a run leaves that ended before its first checkpoint; the next one may write over it."""


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run.

    Attributes:
        path: `save_dir/save_name`.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The resolved settings, reloadable."""
        return self.path / "config.yaml"

    @property
    def log(self) -> Path:
        """Plain text."""
        return self.path / "log.txt"

    @property
    def metrics(self) -> Path:
        """One JSON object a logged step."""
        return self.path / "metrics.jsonl"

    @property
    def result(self) -> Path:
        """The run's record."""
        return self.path / "result.json"

    @property
    def calibration(self) -> Path:
        """How `ulb_loss_ratio` was measured."""
        return self.path / "calibration.json"

    @property
    def latest(self) -> Path:
        """The newest checkpoint."""
        return self.path / "latest_model.pth"

    @property
    def previous(self) -> Path:
        """The checkpoint before the newest."""
        return self.path / "previous_model.pth"

    @property
    def best(self) -> Path:
        """The checkpoint with the best accuracy on the evaluation split."""
        return self.path / "model_best.pth"

    def occupied(self) -> bool:
        """Whether something of worth lies here: more than an attempt without a checkpoint leaves."""
        if not self.path.is_dir():
            return False
        return any(p.name not in FIRST_FILES for p in self.path.iterdir())


def open_run_folder(path: Path, *, resume: bool, overwrite: bool) -> RunFolder:
    """The folder, ready to be written into; it exists afterwards.

    Args:
        path: `save_dir/save_name`.
        resume: an occupied folder with a checkpoint is continued.
        overwrite: an occupied folder is emptied (only where it is not continued).

    Raises:
        SettingsError: if the folder is occupied and neither applies, or is a file, or cannot be made.
    """
    check_run_folder(path, resume=resume, overwrite=overwrite)
    folder = RunFolder(path)
    try:
        if folder.occupied() and not _continues(folder, resume):
            shutil.rmtree(path)
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"save_dir/save_name is {path}, which cannot be made: {error}"
        ) from error
    return folder


def check_run_folder(path: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse what `open_run_folder` would refuse, without touching anything.

    Raises:
        SettingsError: if the folder is occupied and is neither continued nor replaced.
    """
    folder = RunFolder(path)
    if folder.occupied() and not (overwrite or _continues(folder, resume)):
        raise SettingsError(
            f"the run folder {path} exists already; continue it with --resume, replace it "
            "with --overwrite, or choose another --save_name"
        )


def _continues(folder: RunFolder, resume: bool) -> bool:
    return resume and (folder.latest.exists() or folder.previous.exists())


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file whole or not at all: beside it, flushed to disk, then renamed.

    Args:
        path: the final name.
        write: gets a temporary path in the same folder and writes the content there; if it raises,
            nothing is left of it.

    Raises:
        UsbExtError: it cannot be written; what was there before is unchanged.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise from_os_error(error, f"{path} could not be written") from error
    except RuntimeError as error:  # as torch.save says that the disk is full
        told = told_in_a_line(error)
        if told is None:
            raise
        raise RunFailed(f"{path} could not be written: {told}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def read_json(path: Path, what: str, remedy: str) -> Any:
    """The content of a JSON file that was written before.

    Args:
        path: the file.
        what: what it is, for the message.
        remedy: what helps where it is damaged.

    Raises:
        DataMissing: it is not there, cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataMissing(f"{what} {path} cannot be read ({reason(error)}); {remedy}") from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a JSON file in one step; NaN is refused, as JSON has none."""
    text = json.dumps(content, indent=2, allow_nan=False)
    write_text(path, text + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a text file in one step; its line ends stay as they are."""
    replace_file(path, lambda p: _write(p, text))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")


def record_of(made: Path) -> Path:
    """The record beside a file: `selected.made_with.json` for `selected.json`."""
    return made.with_name(f"{made.stem}.made_with.json")


def is_done(made: Path, inputs: dict[str, Any], *, overwrite: bool = False) -> bool:
    """Whether a file is there and was made from these inputs.

    Args:
        made: the file.
        inputs: settings and digests of files, as JSON values.
        overwrite: it is to be made again in any case.

    Raises:
        SettingsError: it is there and was made from something else, or nobody knows from what.
    """
    if overwrite or not made.is_file():
        return False
    try:
        then = dict(json.loads(record_of(made).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        raise SettingsError(
            f"{made} is there, but not what it was made from; use --overwrite, or another --as3l_name"
        ) from None
    changes = [n for n in sorted({*then, *inputs}) if then.get(n) != inputs.get(n)]
    if changes:
        told = ", ".join(
            f"{n} ({_short(then.get(n))} then, {_short(inputs.get(n))} now)" for n in changes
        )
        raise SettingsError(
            f"{made} was made from something else: {told}; use --overwrite to make it again, or another "
            "--as3l_name"
        )
    return True


def finish_stage(made: Path, inputs: dict[str, Any]) -> None:
    """Note what a file was made from, after it was written."""
    write_json(record_of(made), inputs)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in 64 hexadecimal digits.

    Raises:
        DataMissing: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataMissing(f"cannot read {path}: {reason(error)}") from error


def _short(value: Any) -> str:
    """A value as it is told; a digest by its first 8 digits."""
    text = str(value)
    return text[:8] if len(text) == 64 else text
