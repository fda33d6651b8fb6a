"""Images decoded once and kept: the same pixels, whole or not there, of what lies in the folder now."""

import logging
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.images import FOLDER_RUN
from support.kept_images import S, loaded, sums
from support.kills import Killed, dying
from support.processes import in_processes
from support.run import assert_same_state, checkpoint_of, metrics_of, run

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.lock import LOCK
from usb_ext.data import image_cache
from usb_ext.data.decode import BadImage, decode_file, prepare_image
from usb_ext.data.folder_scan import scan_folder
from usb_ext.data.image_cache import CacheFile, cache_files, cache_in_words
from usb_ext.data.imagefolder import BadImages


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """JPEG of many shapes, larger and smaller than what is kept of them: 12 to train with, 4 to test."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 2)):
        for name in ("a", "b"):
            for i in range(count):
                path = tmp_path / "photos" / split / name / f"{i:03d}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                low, high = (0, 160) if name == "a" else (96, 256)
                pixels = rng.integers(low, high, (*rng.integers(9, 40, 2), 3), dtype=np.uint8)
                Image.fromarray(pixels).save(path)
    return tmp_path / "photos"


def trained(kept: Path, photos: Path) -> CacheFile:
    """The file of the training images."""
    file = cache_files(kept, scan_folder(photos), S)[0]
    assert file is not None
    return file


def files_in(folder: Path) -> list[Path]:
    """The files of a cache: training, then test or the other way round."""
    return sorted(folder.glob("*.pixels"))


def never(*_: Any) -> Any:
    raise AssertionError("an image was decoded")


def test_pixels_are_those_of_pillow_and_no_image_is_decoded_twice(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(image_cache, "BLOCK_BYTES", 5 * S * S * 3)  # 12 images in 3 blocks
    first = loaded(photos, tmp_path / "kept")
    monkeypatch.setattr("usb_ext.data.decode.decode_file", never)
    caplog.clear()
    with caplog.at_level(logging.INFO, "usb_ext"):
        again = loaded(photos, tmp_path / "kept", budget_bytes=0)
    assert "made before" in caplog.text and "decoding" not in caplog.text
    for arrays in (first, again):
        assert len(arrays.train_images) == 12 and len(arrays.test_images) == 4
        for name, pixels in zip(arrays.train_names, arrays.train_images, strict=True):
            with Image.open(photos / name) as image:
                assert (np.asarray(prepare_image(image, S)) == pixels).all()
        chosen = arrays.train_images[np.array([7, 2, 7])]
        assert (chosen.block(np.array([2, 0])) == np.stack([chosen[0], chosen[0]])).all()
        assert (chosen[1] == arrays.train_images[2]).all() and (chosen[-1] == chosen[0]).all()


@pytest.mark.parametrize("augment", ["batched", "usb"])
def test_a_run_is_the_same_to_the_bit_with_and_without(
    photos: Path, tmp_path: Path, augment: str
) -> None:
    given = {
        **FOLDER_RUN,
        "data_dir": str(photos),
        "augment": augment,
        "img_size": 16,
        "ema_m": 0.0,
    }
    assert run(tmp_path / "without", **given) is not None
    kept = {"image_cache": str(tmp_path / "kept")}
    for place in ("makes", "finds"):
        assert run(tmp_path / place, **given, **kept) is not None
        assert_same_state(checkpoint_of(tmp_path / "without"), checkpoint_of(tmp_path / place))
        assert metrics_of(tmp_path / "without") == metrics_of(tmp_path / place)
    assert len(files_in(tmp_path / "kept")) == 2


def test_killed_at_any_moment_it_is_whole_or_not_there(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_cache, "BLOCK_BYTES", 5 * S * S * 3)
    with dying(tmp_path / "counted", None) as counter:
        whole = loaded(photos, tmp_path / "counted")
    wanted = np.stack(list(whole.train_images))
    assert len(counter.events) > 10
    for at in range(len(counter.events)):
        kept = tmp_path / f"killed{at}"
        with pytest.raises(Killed), dying(kept, at):
            loaded(photos, kept)
        found = loaded(photos, kept)
        assert (np.stack(list(found.train_images)) == wanted).all(), counter.events[at]
        assert [p.name for p in files_in(kept)] == [p.name for p in files_in(tmp_path / "counted")]
        assert not list(kept.glob(".images*")), counter.events[at]


def test_killed_between_blocks_leaves_nothing_that_is_read(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, kept = image_cache.decode_all, tmp_path / "kept"
    monkeypatch.setattr(image_cache, "BLOCK_BYTES", 5 * S * S * 3)
    with pytest.raises(Killed), dying(kept, None) as killer:

        def dies(paths: Any, size: int, out: Any) -> Any:
            if len(calls) == 1:
                killer.last = "decode"
                raise Killed
            calls.append(1)
            return original(paths, size, out)

        calls: list[int] = []
        monkeypatch.setattr(image_cache, "decode_all", dies)
        loaded(photos, kept)
    assert len(list(kept.glob(".images*.part"))) == 1 and not files_in(kept)
    monkeypatch.setattr(image_cache, "decode_all", original)
    assert len(loaded(photos, kept).train_images) == 12
    assert not list(kept.glob(".images*.part"))


def test_a_file_of_somebody_else_is_left_alone(photos: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    strange = [kept / ".images_mine.part", kept / ".images_12px_thesis.pixels.part", kept / "note"]
    for path in strange:
        path.write_text("mine")
    loaded(photos, kept)
    assert all(path.read_text() == "mine" for path in strange)


def test_an_image_that_changes_in_any_way_makes_another_file(photos: Path, tmp_path: Path) -> None:
    kept, path = tmp_path / "kept", photos / "train" / "a" / "003.jpg"
    loaded(photos, kept)
    before = files_in(kept)
    then = path.stat()
    Image.new("RGB", (20, 30), (7, 200, 90)).save(path)
    path.write_bytes(path.read_bytes().ljust(then.st_size, b"\0"))
    assert path.stat().st_size == then.st_size
    os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns + 1))  # a nanosecond later
    found = loaded(photos, kept)
    assert found.train_names[3] == "train/a/003.jpg"
    assert (np.abs(found.train_images[3].astype(int) - (7, 200, 90)) < 6).all()
    assert set(before) < set(files_in(kept)) and len(files_in(kept)) == 3
    (photos / "train" / "a" / "new.jpg").write_bytes(path.read_bytes())
    assert len(loaded(photos, kept).train_images) == 13


def test_what_decodes_is_part_of_the_key_and_what_only_crops_is_not(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = scan_folder(photos)
    here = trained(tmp_path, photos)
    assert trained(tmp_path, photos) == here != cache_files(tmp_path, scan, S + 1)[0]
    image_cache._decoders.cache_clear()
    monkeypatch.setattr(image_cache.features, "version", lambda _: "0.1")
    assert trained(tmp_path, photos).path != here.path
    image_cache._decoders.cache_clear()


def test_without_room_nothing_is_decoded(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need = 16 * S * S * 3
    monkeypatch.setattr("usb_ext.data.decode.decode_file", never)
    monkeypatch.setattr(image_cache.shutil, "disk_usage", lambda _: SimpleNamespace(free=need))
    with pytest.raises(SettingsError) as caught:
        loaded(photos, tmp_path / "deep" / "kept")
    said = str(caught.value)
    assert "16 images of 12 px take" in said and f"{need} are free there" in said
    assert "--image_cache" in said and "\n" not in said
    taken = int(re.findall(r"take (\d+) bytes", said)[0])
    assert need < taken < need + 200
    assert not (tmp_path / "deep").exists()


def test_the_size_that_is_told_is_that_of_the_files(photos: Path, tmp_path: Path) -> None:
    kept, scan = tmp_path / "kept", scan_folder(photos)
    told = cache_in_words(cache_files(kept, scan, S))
    count = int(re.findall(r"(\d+) bytes", told)[0])
    assert "16 images of 12 px" in told and not kept.exists()
    loaded(photos, kept)
    assert cache_in_words(cache_files(kept, scan, S)).endswith(f"{count} bytes, made before")
    on_disk = sum(path.stat().st_size for path in files_in(kept))
    assert count < on_disk < count + 2 * 300  # two records


@pytest.mark.parametrize("harm", ["cut", "longer", "foreign", "record", "empty", "other"])
def test_a_file_that_is_not_whole_is_named(photos: Path, tmp_path: Path, harm: str) -> None:
    kept = tmp_path / "kept"
    loaded(photos, kept)
    path = trained(kept, photos).path
    content = path.read_bytes()
    other = next(p for p in files_in(kept) if p != path).read_bytes()
    path.write_bytes({
        "cut": content[:-1],
        "longer": content + b"\0",
        "foreign": b"thesis" * 1000,
        "record": content.replace(b'"images": 12', b'"images": 13'),
        "empty": b"",
        "other": other,
    }[harm])  # fmt: skip
    with pytest.raises(DataMissing) as caught:
        loaded(photos, kept)
    assert str(path) in str(caught.value) and "delete it" in str(caught.value)
    path.unlink()
    assert len(loaded(photos, kept).train_images) == 12


def test_a_flipped_bit_is_noticed_when_its_image_is_asked_for(photos: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    loaded(photos, kept)
    path = trained(kept, photos).path
    with path.open("rb+") as file:
        file.seek(5 * S * S * 3 + 100)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 16]))
    images = loaded(photos, kept).train_images
    assert images[4].shape == images[6].shape == (S, S, 3)
    for ask in (lambda: images[5], lambda: images.block(np.array([6, 5]))):
        with pytest.raises(DataMissing, match=r"its image 5 \(train/a/005.jpg\).*delete it"):
            ask()


def test_bad_images_are_remembered_and_left_out_where_that_is_asked(
    photos: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    for name in ("a/001", "b/000", "b/005"):  # positions 1, 6 and 11
        (photos / "train" / f"{name}.jpg").write_bytes(b"no image")
    with pytest.raises(BadImages, match=r"001\.jpg.*\(and 2 more files\).*skip_bad_images"):
        loaded(photos, kept)
    before = [path.stat().st_mtime_ns for path in files_in(kept)]
    found, plain = (loaded(photos, place, skip_bad_images=True) for place in (kept, None))
    assert dict(found.skipped) == dict(plain.skipped) and found.train_names == plain.train_names
    assert (np.stack(list(found.train_images)) == plain.train_images).all()
    assert found.train_targets.tolist() == plain.train_targets.tolist()
    names = [trained(kept, photos).path]
    assert [p.stat().st_mtime_ns for p in files_in(kept) if p in names] == before


def test_an_image_that_could_not_be_read_then_and_can_now_is_named(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a lost permission, or a disk that was away: the file itself is as before."""

    def away(path: Any, size: int) -> Any:
        if str(path).endswith("b/002.jpg"):
            raise BadImage("PermissionError: denied")
        return decode_file(path, size)

    with monkeypatch.context() as patch:
        patch.setattr("usb_ext.data.decode.decode_file", away)
        with pytest.raises(BadImages, match=r"b/002\.jpg: PermissionError"):
            loaded(photos, tmp_path / "kept")
    with pytest.raises(DataMissing, match=r"lacks .*b/002\.jpg, which .* can be now; delete it"):
        loaded(photos, tmp_path / "kept")


def test_processes_that_want_it_at_once_make_it_once(photos: Path, tmp_path: Path) -> None:
    found = in_processes(3, sums, photos, tmp_path / "kept", join=False)
    alone = sums(photos, tmp_path / "alone")
    assert all(seen[:2] == alone[:2] for seen in found)
    assert sum(seen[2] for seen in found) == alone[2] == 16
    assert not (tmp_path / "kept" / LOCK).exists()


def test_a_process_waits_for_the_one_that_makes_it(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody holds the lock nothing is decoded, and what is there afterwards is taken."""
    kept, order = tmp_path / "kept", []
    loaded(photos, tmp_path / "ready")
    kept.mkdir()
    original = image_cache.locked

    def waits(path: Path, what: str, *, wait: bool) -> Any:
        assert wait
        if not order:
            for made in files_in(tmp_path / "ready"):  # another process ends just before us
                (kept / made.name).write_bytes(made.read_bytes())
        order.append(what)
        return original(path, what, wait=wait)

    monkeypatch.setattr(image_cache, "locked", waits)
    monkeypatch.setattr("usb_ext.data.decode.decode_file", never)
    assert len(loaded(photos, kept).train_images) == 12
    assert order == ["an image cache"]
