"""`usb-ext check-config`: a line a file, and an exit code for all."""

from pathlib import Path
from typing import Any

from support.images import folder_of_images
from support.settings_files import yaml

import usb_ext

ROOT = Path(usb_ext.__file__).parents[1]
SHIPPED = sorted((ROOT / "config").glob("*.yaml"))


def test_check_config_says_of_each_file_whether_it_is_ok(call: Any, tmp_path: Path) -> None:
    good = yaml(tmp_path / "good.yaml", "seed: 1")
    dead = yaml(tmp_path / "dead.yaml", "clip: 1")
    code, out, err = call("check-config", good, dead)
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert first == f"{good}: ok"
    assert second.startswith(f"{dead}: ok (") and "clip" in second

    bad = yaml(tmp_path / "bad.yaml", "seed: -1", "epochs: 3")
    broken = yaml(tmp_path / "broken.yaml", "seed: [1")
    code, out, err = call("check-config", bad, good, broken)
    assert (code, err) == (2, "")
    lines = out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"{bad}: ") and lines[0].count(str(bad)) == 1
    assert "seed: got -1" in lines[0] and "did you mean epoch?" in lines[0]
    assert lines[1] == f"{good}: ok"
    assert lines[2].startswith(f"{broken}")


def test_every_file_we_ship_is_ok(call: Any) -> None:
    """Three name files that nobody can ship, three the features that their header's command makes."""
    assert len(SHIPPED) > 0
    code, out, _ = call("check-config", *SHIPPED)
    assert code == 3
    said = dict(line.split(": ", 1) for line in out.splitlines())
    assert list(said) == [str(path) for path in SHIPPED]
    missing = [line for line in said.values() if "and there is no such file" in line]
    assert len(missing) == 3 and all("is './data/" in x or "'labels.csv'" in x for x in missing)
    missing += [x for x in said.values() if x.startswith("feature_file names kept, which holds no")]
    assert len(missing) == 6
    for path, line in said.items():
        assert line in (*missing, "ok"), path


def test_check_config_tells_what_an_image_cache_takes_and_makes_nothing(
    call: Any, tmp_path: Path
) -> None:
    """16 images of 8 x 8 pixels of 3 bytes, with 4 bytes each to check them by."""
    folder = folder_of_images(tmp_path / "photos")
    file = yaml(tmp_path / "run.yaml", "dataset: imagefolder", "num_classes: 2", "net: wrn_10_1")
    words = ("--data_dir", folder, "--num_labels", 4, "--img_size", 8)
    code, out, _ = call("check-config", file, *words, "--image_cache", tmp_path / "kept")
    assert code == 0 and out.startswith(
        f"{file}: ok (image_cache {tmp_path / 'kept'}: 16 images of 8 px, "
    )
    told = int(out.split("8 px, ")[1].split()[0])
    assert 16 * (8 * 8 * 3 + 4) <= told < 16 * (8 * 8 * 3 + 4) + 100
    assert not (tmp_path / "kept").exists()
    code, out, _ = call(
        "check-config", file, *words, "--image_cache", tmp_path / "run.yaml" / "kept"
    )
    assert code != 0 and "Traceback" not in out
    code, out, _ = call("check-config", file, *words)
    assert out == f"{file}: ok\n"
