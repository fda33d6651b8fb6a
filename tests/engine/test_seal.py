"""The digest of a checkpoint: a flipped bit is noticed, old files load, the one before is taken by name."""

import logging
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from usb_ext.core.errors import SettingsError
from usb_ext.core.files import RunFolder
from usb_ext.engine import checkpoint
from usb_ext.engine.seal import damage, is_sealed, is_whole, same_seal, seal


def state(it: int, **more: Any) -> dict[str, Any]:
    weights = torch.arange(500.0) + it
    return {
        "it": it, "model": {"weight": weights}, "usb_ext": {"format": checkpoint.FORMAT}, **more
    }  # fmt: skip


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_sealed_file_is_read_as_before_by_torch_and_zip(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(state(3), path)
    before = path.read_bytes()
    seal(path)
    assert is_sealed(path) and damage(path) is None
    assert path.read_bytes()[: len(before) - 2] == before[:-2]
    assert torch.equal(torch.load(path)["model"]["weight"], state(3)["model"]["weight"])
    assert torch.load(path, weights_only=True, mmap=True)["it"] == 3
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    checkpoint.write(folder, state(1))
    whole = folder.latest.read_bytes()
    bits = np.random.default_rng(0).choice(len(whole) * 8, 300, replace=False).tolist()
    for bit in [*bits, *range((len(whole) - 110) * 8, len(whole) * 8, 3)]:
        folder.latest.write_bytes(flipped(whole, bit))
        with pytest.raises(SettingsError, match="is not a whole checkpoint"):
            checkpoint.read(folder.latest)
    folder.latest.write_bytes(whole)
    assert checkpoint.read(folder.latest)["it"] == 1


def test_an_old_checkpoint_without_a_digest_loads_unless_its_checksums_are_wrong(
    tmp_path: Path,
) -> None:
    path = tmp_path / "old.pth"
    torch.save(state(4), path)
    assert not is_sealed(path) and checkpoint.read(path)["it"] == 4
    whole = path.read_bytes()
    place = whole.index(torch.tensor(200.0).numpy().tobytes())
    path.write_bytes(flipped(whole, place * 8))
    assert torch.load(path, weights_only=True)["it"] == 4  # torch itself does not notice
    with pytest.raises(SettingsError, match="checksum"):
        checkpoint.read(path)


def test_the_one_before_is_taken_by_name_and_never_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = RunFolder(tmp_path)
    for it in (1, 2):
        checkpoint.write(folder, state(it))
    folder.latest.write_bytes(flipped(folder.latest.read_bytes(), 9999))
    with caplog.at_level(logging.WARNING, "usb_ext"):
        assert checkpoint.read_newest(folder)["it"] == 1
    assert str(folder.latest) in caplog.text and str(folder.previous) in caplog.text
    assert (tmp_path / "damaged_model.pth").exists() and not folder.latest.exists()
    assert checkpoint.read_newest(folder)["it"] == 1
    checkpoint.write(folder, state(2))
    assert checkpoint.read(folder.previous)["it"] == 1 and checkpoint.read(folder.latest)["it"] == 2


def test_where_both_are_damaged_none_is_praised_and_nothing_moves(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for it in (1, 2):
        checkpoint.write(folder, state(it))
    for path in (folder.latest, folder.previous):
        path.write_bytes(flipped(path.read_bytes(), 9999))
    for read in (
        lambda: checkpoint.read_newest(folder),
        lambda: checkpoint.read(folder.latest, folder),
    ):
        with pytest.raises(SettingsError, match=r"latest_model\.pth is not a whole") as caught:
            read()
        assert "previous_model" not in str(caught.value) and "--overwrite" in str(caught.value)
    assert folder.latest.exists() and folder.previous.exists()


def test_the_best_gets_its_name_when_the_run_was_killed_before(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    checkpoint.write(folder, state(1, best_it=0, best_eval_acc=0.5), best=True)
    checkpoint.write(folder, state(2, best_it=1, best_eval_acc=0.6))  # killed: best not yet named
    assert checkpoint.read(folder.best)["it"] == 1
    checkpoint.read_newest(folder)
    assert checkpoint.read(folder.best)["it"] == 2 and same_seal(folder.best, folder.latest)
    checkpoint.write(folder, state(3, best_it=1, best_eval_acc=0.6))
    checkpoint.read_newest(folder)
    assert checkpoint.read(folder.best)["it"] == 2


def test_a_file_system_without_links_gets_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError("no links")

    monkeypatch.setattr("os.link", refused)
    folder = RunFolder(tmp_path)
    for it in (1, 2):
        checkpoint.write(folder, state(it), best=True)
    found = {path.name: checkpoint.read(path)["it"] for path in tmp_path.iterdir()}
    assert found == {"latest_model.pth": 2, "model_best.pth": 2, "previous_model.pth": 1}


def test_a_pipe_in_a_checkpoints_place_is_damaged_and_not_waited_for(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    checkpoint.write(folder, state(1))
    os.replace(folder.latest, folder.previous)
    os.mkfifo(folder.latest)
    os.mkfifo(folder.best)
    assert not is_whole(folder.latest) and not is_sealed(folder.latest)
    with pytest.raises(SettingsError, match="it is no file"):
        checkpoint.read(folder.latest)
    assert checkpoint.read_newest(folder)["it"] == 1
