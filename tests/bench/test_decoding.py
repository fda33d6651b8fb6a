"""`usb-ext bench --preset decode`: what it compares is what it says, and its arithmetic holds."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from usb_ext.bench import decoding
from usb_ext.bench.decoding import FULL, by_torchvision, difference, make_files
from usb_ext.cli.main import main


def test_files_are_made_the_same_each_time_and_hold_no_flat_picture(tmp_path: Path) -> None:
    make_files(tmp_path / "one", 2)
    make_files(tmp_path / "two", 2)
    for name in ("0000.jpg", "0001.jpg"):
        content = (tmp_path / "one" / name).read_bytes()
        assert content == (tmp_path / "two" / name).read_bytes()
        with Image.open(tmp_path / "one" / name) as image:
            assert image.size == (500, 375) and np.asarray(image).std() > 20


def test_differences_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files of 6 x 4 pixels; in one of them three values of 72 are off, by 9 at most."""
    paths = [str(tmp_path / f"{i}.jpg") for i in range(2)]
    for path in paths:
        Image.new("RGB", (6, 4), (100, 50, 200)).save(path)

    def off(path: str) -> np.ndarray:
        with Image.open(path) as image:
            pixels = np.array(image)
        if path == paths[1]:
            pixels[0, 0], pixels[1, 2, 0] = pixels[0, 0] + np.array([0, 9, 1]), pixels[1, 2, 0] - 4
        return pixels

    monkeypatch.setattr(decoding, "by_torchvision", off)
    assert difference(paths) == {"largest": 9, "share": 3 / 144, "files": 1}


def test_torchvision_turns_as_exif_says(tmp_path: Path) -> None:
    """Left half dark, right half bright; orientation 6 is seen turned by a quarter to the right."""
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, 16:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.jpg", exif=exif)
    found = by_torchvision(str(tmp_path / "turned.jpg"))
    assert found.shape == (32, 16, 3)
    assert found[:12].max() < 60 and found[20:].min() > 200


def test_the_command_measures_and_projects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_files(tmp_path / "photos", 3)
    (tmp_path / "photos" / "note.txt").write_text("no image")
    words = ["bench", "--preset", "decode", "--images", str(tmp_path / "photos"), "--repeats", "2"]
    words += ["--num-images", "2", "--img-size", "20", "--json", str(tmp_path / "b.json")]
    assert main(words) == 0
    report = json.loads((tmp_path / "b.json").read_text())
    assert report["files"] == 2 and report["img_size"] == 20
    assert 20 * 20 * 3 + 4 <= report["bytes_per_image"] < 20 * 20 * 3 + 24
    assert set(report["cpu_ms_per_image"]) >= {"pillow", "torchvision", "from the cache"}
    told = capsys.readouterr().out
    assert f"{FULL} images take {report['bytes_per_image'] * FULL / 1e9:.1f} GB" in told
    assert main(["bench", "--preset", "decode", "--images", str(tmp_path / "none")]) == 3
    (tmp_path / "empty").mkdir()
    assert main(["bench", "--preset", "decode", "--images", str(tmp_path / "empty")]) == 3
