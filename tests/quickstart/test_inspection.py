"""What `usb-ext inspect` sees: a messy folder that the test makes, told whole, and left as it was."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from usb_ext.cli.main import main
from usb_ext.core.errors import DataMissing
from usb_ext.quickstart.inspection import inspect_folder, told


def picture(path: Path, seed: int, size: tuple[int, int] = (20, 12), **how: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **how)
    return path


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    """Nine good images of four formats, one turned by EXIF, two with the same bytes, three bad files."""
    root = tmp_path / "photos"
    for n, ending in enumerate(("jpg", "png", "webp", "bmp", "PNG")):
        picture(root / f"a{n}.{ending}", n)
    picture(root / "deep" / "er" / "b.png", 7, (40, 30))
    (root / "deep" / "twin.png").write_bytes((root / "deep" / "er" / "b.png").read_bytes())
    turned = Image.Exif()
    turned[0x0112] = 6
    picture(root / "turned.jpg", 8, (33, 11), exif=turned)
    picture(root / "ü ñ.png", 9)
    whole = (root / "a1.png").read_bytes()
    (root / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "empty.jpg").write_bytes(b"")
    (root / "text.jpg").write_text("no image")
    (root / "notes.txt").write_text("x")
    return root


def test_everything_is_seen(messy: Path) -> None:
    before = sorted((p, p.stat().st_mtime_ns) for p in messy.rglob("*"))
    seen = inspect_folder(messy)
    assert seen.count == seen.training == seen.as_json()["without_class"] == 9 and seen.tested == 0
    assert seen.formats == {"JPEG": 2, "PNG": 5, "WEBP": 1, "BMP": 1}
    assert sorted(seen.bad) == ["cut.png", "empty.jpg", "text.jpg"]
    assert [sorted(group) for group in seen.duplicates] == [["deep/er/b.png", "deep/twin.png"]]
    assert [11, 33] in seen.sides.tolist() and [40, 30] in seen.sides.tolist()
    assert sorted((p, p.stat().st_mtime_ns) for p in messy.rglob("*")) == before
    text = "\n".join(told(seen))
    for part in (
        "9 images",
        "9 images without a class",
        "cannot be decoded: 3",
        "same bytes as another: 1",
        ".txt",
        "no test split",
    ):
        assert part in text


def test_classes_and_a_test_split_are_seen(tmp_path: Path) -> None:
    for split, count in (("train", 3), ("test", 2)):
        for name in ("cat", "Cat", "dog"):
            for n in range(count):
                picture(tmp_path / split / name / f"{n}.png", n)
    seen = inspect_folder(tmp_path)
    assert (seen.training, seen.tested) == (9, 6)
    assert seen.as_json()["classes"] == {"Cat": 3, "cat": 3, "dog": 3}
    assert "differ in spelling only" in "\n".join(told(seen))
    assert "no test split" not in "\n".join(told(seen))


def test_no_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="nowhere"):
        inspect_folder(tmp_path / "nowhere")


def test_the_command(messy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(messy), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 9
    assert found["costs"]["feature_bytes"] == 2 * 1280 * (13 * found["training"] + found["test"])
    assert min(found["costs"][f"{n}_seconds"] for n in ("feature", "whole_network")) > 0
    assert shlex.split(found["next"])[:3] == ["usb-ext", "start", str(messy)]
    assert main(["inspect", str(messy), "--net", "wrn_10_1", "--img-size", "16"]) == 0
    shown = capsys.readouterr().out
    assert "wrn_10_1 at 16 pixels, 13 views" in shown and "usb-ext start" in shown
    bad = messy.parent / "bad_files.txt"
    assert main(["inspect", str(messy), "--json", "--bad", str(bad)]) == 0
    lines = bad.read_text(encoding="utf-8").splitlines()
    assert sorted(line.partition(": ")[0] for line in lines) == ["cut.png", "empty.jpg", "text.jpg"]
    capsys.readouterr()
    assert main(["inspect", str(messy), "--bad", str(bad)]) == 2
    assert "which is there" in capsys.readouterr().err and len(lines) == 3
    assert main(["inspect", str(messy / "nowhere")]) == 3
    assert capsys.readouterr().err.count("\n") == 1
