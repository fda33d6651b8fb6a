"""Arrays in files: whole or not at all, and clear words about what is wrong."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from usb_ext.core.errors import DataMissing, RunFailed, SettingsError
from usb_ext.data.npz_file import make_folder, read_arrays, write_arrays


def test_what_is_written_is_read_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.npz"
    write_arrays(path, {"x": np.arange(3), "name": np.asarray("digits")})
    arrays = read_arrays(path, "file", "how")
    assert arrays["x"].tolist() == [0, 1, 2] and str(arrays["name"]) == "digits"
    assert [p.name for p in path.parent.iterdir()] == ["b.npz"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "b.npz"
    write_arrays(path, {"x": np.arange(3)})
    before = path.read_bytes()

    def fails(file: object, **_: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", fails)
    with pytest.raises(RunFailed, match="no space"):
        write_arrays(path, {"x": np.arange(4)})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"PK not a zip", b"text", b"\x80\x04N."])
def test_files_that_are_no_archives(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(DataMissing, match=r"x\.npz cannot be read .*make one so"):
        read_arrays(path, "file", "make one so")


def test_a_truncated_archive_and_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    write_arrays(path, {"x": np.arange(1000)})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataMissing, match="cannot be read"):
        read_arrays(path, "file", "how")
    np.savez(path, x=np.array([{}], dtype=object))
    with pytest.raises(DataMissing, match="cannot be read"):
        read_arrays(path, "file", "how")
    np.save(tmp_path / "y.npy", np.arange(3))
    with pytest.raises(DataMissing, match="it is a single array"):
        read_arrays(tmp_path / "y.npy", "file", "how")


def test_a_missing_file_and_an_impossible_folder(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"file .*none\.npz does not exist; how"):
        read_arrays(tmp_path / "none.npz", "file", "how")
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be made"):
        make_folder(tmp_path / "file" / "below")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(DataMissing, match="it is no file"):
        read_arrays(tmp_path / "a.npz", "features file", "make one")


def test_a_header_that_no_parser_takes(tmp_path: Path) -> None:
    """NumPy lets the error of the parser through that it reads a header with."""
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        header = b"{'descr': ("
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(DataMissing, match="features file .* cannot be read"):
        read_arrays(tmp_path / "a.npz", "features file", "make one")
