"""What disks, files, memory and workers do is one line with file and remedy; our own faults keep theirs."""

import errno
import os
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from usb_ext.core.errors import (
    DataMissing,
    RunFailed,
    SettingsError,
    UsbExtError,
    our_errors,
    reason,
    told_in_a_line,
)
from usb_ext.core.files import read_json, replace_file, write_text
from usb_ext.data.loaders import stop_workers

NESTED = "[" * 100_000


@pytest.mark.parametrize(
    ("number", "kind", "says"),
    [
        (errno.ENOSPC, RunFailed, "free some space"),
        (errno.EROFS, RunFailed, "write elsewhere"),
        (errno.EACCES, RunFailed, "permissions"),
        (errno.ENAMETOOLONG, SettingsError, "shorter name"),
        (errno.ENOTDIR, SettingsError, "a file stands where a folder is needed"),
        (errno.ENOENT, DataMissing, "No such file"),
    ],
)
def test_an_error_of_the_system_names_the_file_and_what_helps(
    number: int, kind: type[UsbExtError], says: str
) -> None:
    with pytest.raises(kind, match=says) as caught, our_errors():
        raise OSError(number, os.strerror(number), "some/file")
    assert "some/file" in str(caught.value)


@pytest.mark.parametrize("fault", [ValueError("a bug"), RuntimeError("a bug"), KeyError("a bug")])
def test_a_fault_of_the_program_keeps_its_own_traceback(fault: Exception) -> None:
    with pytest.raises(type(fault)) as caught, our_errors():
        raise fault
    assert caught.value is fault
    assert told_in_a_line(fault) is None


@pytest.mark.parametrize(
    "fault",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"
        ),
    ],
)
def test_memory_that_is_not_there_is_one_sentence(fault: Exception) -> None:
    with pytest.raises(RunFailed, match="out of memory .*--batch_size"), our_errors():
        raise fault


class Lost(torch.utils.data.Dataset[int]):
    """An image that went away while a worker process was reading."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def __len__(self) -> int:
        return 1

    def __getitem__(self, _: int) -> int:
        raise self.error("cannot decode a/b.jpg: gone")


@pytest.mark.parametrize("error", [DataMissing, FileNotFoundError])
def test_what_a_worker_process_raises_is_its_last_line(error: type[Exception]) -> None:
    loader = DataLoader(Lost(error), num_workers=1, persistent_workers=True)
    with pytest.raises(UsbExtError) as caught, our_errors():
        next(iter(loader))
    stop_workers(loader)
    assert str(caught.value) == "cannot decode a/b.jpg: gone"
    assert caught.value.exit_code == 3


def test_json_of_100_000_levels_or_of_no_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for content in (NESTED, "{", "\x00", "nul"):
        path.write_text(content)
        with pytest.raises(DataMissing, match="the record .*a.json cannot be read .*; mend it"):
            read_json(path, "the record", "mend it")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX")
def test_a_file_that_cannot_be_written_is_named_and_what_was_there_stays(tmp_path: Path) -> None:
    place = tmp_path / "a.txt"
    write_text(place, "before")

    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(RunFailed, match=r"a\.txt could not be written: No space left"):
        replace_file(place, full)
    assert place.read_text() == "before" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    with pytest.raises(SettingsError, match="a folder stands where a file is needed"):
        write_text(_folder(tmp_path / "folder"), "x")


def _folder(path: Path) -> Path:
    path.mkdir()
    (path / "kept").touch()
    return path


def test_a_weights_file_on_a_full_disk_is_named(tmp_path: Path) -> None:
    """/dev/full takes nothing; torch says so in its own words."""
    with pytest.raises(RunFailed, match=r"w\.pth could not be written"):
        replace_file(tmp_path / "w.pth", lambda _: torch.save({"a": torch.ones(9)}, "/dev/full"))


def test_a_reason_is_one_line_without_colours_and_ends_with_a_word() -> None:
    assert reason(ValueError("\n\x1b[1mred\x1b[0m line\nmore")) == "red line"
    assert reason(ValueError("")) == "ValueError"
    long = reason(ValueError("word " * 100))
    assert len(long) <= 120 and long.endswith("word ...")


def test_a_path_that_no_screen_holds_is_told_by_its_ends() -> None:
    with pytest.raises(SettingsError) as caught, our_errors():
        raise OSError(
            errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), "first/" + "a/" * 2000 + "last"
        )
    text = str(caught.value)
    assert "first/" in text and "last" in text and len(text) < 400


def test_a_name_with_a_nul_byte_is_refused_by_whatever_opens_it() -> None:
    with pytest.raises(SettingsError, match="NUL byte"), our_errors():
        Path("nul\0byte").mkdir()
