"""The files of a run's folder, `save_dir/save_name/`, by name.

Files that are whole or not there: written beside their place, flushed to disk, then renamed.

What a file was made from, kept beside it: a stage whose output is there from the same is skipped.
"""

import contextlib
import errno
import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
from usb_ext.core.lock import LOCK, forget_dead


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
    def model(self) -> Path:
        """What the network takes and gives (preprocessing, names of the classes), so that the folder is
        enough to predict."""
        return self.path / "model.json"

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

    @property
    def kept(self) -> str:
        """In words, which checkpoint is there when a run has failed."""
        if self.latest.exists():
            return f"the last good checkpoint is kept: {self.latest}"
        return "there is no checkpoint yet"


def check_is_run(place: RunFolder, or_else: str = "") -> None:
    """Refuse a folder that no run has begun in.

    Args:
        place: the folder.
        or_else: what else would do, for the message.

    Raises:
        DataMissing: it is not there, or holds no settings of a run.
    """
    if not place.config.is_file():
        what = "holds no config.yaml" if place.path.exists() else "does not exist"
        raise DataMissing(
            f"{place.path} {what}; give the folder that a run left, save_dir/save_name{or_else}"
        )


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
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


def text_of(path: Path, encoding: str = "utf-8") -> str:
    """The text of a file, and not of a pipe, on which a reader waits for ever.

    Args:
        path: the file.
        encoding: of its text.

    Raises:
        OSError: it cannot be read, or is no file.
        ValueError: its bytes are no text.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no file", str(path))
    return path.read_text(encoding=encoding)


def json_of(path: Path) -> Any:
    """The content of a JSON file.

    Args:
        path: the file.

    Raises:
        OSError: it cannot be read, or is no file.
        ValueError: it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(text_of(path, "utf-8-sig"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


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
        return json_of(path)
    except (OSError, ValueError) as error:
        raise DataMissing(f"{what} {path} cannot be read ({reason(error)}); {remedy}") from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a JSON file in one step; NaN is refused, as JSON has none."""
    text = json.dumps(content, indent=2, allow_nan=False)
    write_text(path, text + "\n")


SEAL = "sha256"
"""Key of a record that holds a digest of its other keys."""


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """A record with a digest of its values, so that a flipped digit is noticed and not reported.

    Args:
        content: JSON values by name.
    """
    return {**content, SEAL: _seal(content)}


def check_seal(content: Mapping[str, Any]) -> None:
    """Refuse a record whose values are not those that were written; one without a digest passes.

    Args:
        content: what `sealed` gave, read again.

    Raises:
        ValueError: they differ.
    """
    if SEAL in content and content[SEAL] != _seal(content):
        raise ValueError("its values are not those that were written")


def _seal(content: Mapping[str, Any]) -> str:
    values = {name: value for name, value in content.items() if name != SEAL}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def write_text(path: Path, text: str) -> None:
    """Replace a text file in one step; line ends and file names that are no UTF-8 stay as they are."""
    replace_file(path, lambda p: _write(p, text))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")


def record_of(made: Path) -> Path:
    """The record beside a file: `selected.made_with.json` for `selected.json`."""
    return made.with_name(f"{made.stem}.made_with.json")


def is_done(made: Path, inputs: dict[str, Any], *, overwrite: bool = False) -> bool:
    """Whether a file is there and was made from these inputs; then the lock of a stage killed there goes.

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
        then = dict(json_of(record_of(made)))
    except (OSError, ValueError, TypeError):
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
    forget_dead(made.parent / LOCK)
    return True


@contextmanager
def making(made: Path, inputs: dict[str, Any]) -> Iterator[None]:
    """Inside, a stage makes a file anew; it must be the last that the stage writes.

    What the file is made from is noted first, and an older file stands aside until the new one is there: at
    no moment does a file lie beside the record of another.

    Args:
        made: the file.
        inputs: as in `is_done`.
    """
    pairs = [(path, path.with_name(f".{path.name}.before")) for path in (made, record_of(made))]
    if made.is_file():
        for path, aside in pairs:
            os.replace(path, aside) if path.is_file() else aside.unlink(missing_ok=True)
    write_json(record_of(made), inputs)
    try:
        yield
    except BaseException:
        if not made.is_file():  # the record first, as at the beginning
            for path, aside in reversed(pairs):
                if aside.is_file():
                    os.replace(aside, path)
        raise
    for _, aside in pairs:
        aside.unlink(missing_ok=True)


def cut_lines(path: Path, size: int) -> None:
    """Cut a file of lines back to its first `size` bytes, and to whole lines where it is shorter.

    Args:
        path: the file; nothing happens if it is not there.
        size: bytes that it once had, at the end of a line.
    """
    if not path.exists():
        return
    with path.open("rb+") as file:
        file.truncate(file.read(size).rfind(b"\n") + 1)


def broken_part(path: Path) -> str | None:
    """The part of a zip archive, as torch and NumPy write them, that has another checksum than was written.

    Args:
        path: a file; one that is no archive is not judged.

    Raises:
        OSError, ValueError, zipfile.BadZipFile, NotImplementedError: an archive that cannot be read.
    """
    if not (path.is_file() and zipfile.is_zipfile(path)):
        return None
    with zipfile.ZipFile(path) as archive:
        return archive.testzip()


def file_crc32(path: Path) -> int:
    """CRC-32 of a file's content, which a writer of lines can keep as it goes; 0 where there is no file.

    Raises:
        OSError: it cannot be read.
    """
    found = 0
    if path.is_file():
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                found = zlib.crc32(block, found)
    return found


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


def file_stamp(path: Path) -> dict[str, int]:
    """Size and time of the last change of a file, by which one is known again without reading it.

    Raises:
        DataMissing: it cannot be read.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise DataMissing(f"cannot read {path}: {reason(error)}") from error
    return {"bytes": found.st_size, "mtime_ns": found.st_mtime_ns}


def _short(value: Any) -> str:
    """A value as it is told; a digest by its first 8 digits."""
    text = str(value)
    return text[:8] if len(text) == 64 else text
