"""The release check against small fake installations on an import path of their own."""

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.upstream.release import REMEDY, check_release, release_folder

RELEASED = "self, alg, data, targets=None, num_classes=None, transform=None, is_ulb=False, "
ENDS = {
    "wheel": "strong_transform=None, onehot=False, *args, **kwargs",
    "main": "medium_transform=None, strong_transform=None, onehot=False, *args, **kwargs",
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole import path."""
    monkeypatch.delitem(sys.modules, "semilearn", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


def source(folder: Path, kind: str = "wheel") -> Path:
    """USB's source as far as the check reads it; importing it is an error."""
    inner = folder / "semilearn" / "datasets" / "cv_datasets"
    inner.mkdir(parents=True)
    (folder / "semilearn" / "__init__.py").write_text("raise SystemExit('imported')")
    text = (
        f"import torch\n\nclass BasicDataset(Dataset):\n    def __init__({RELEASED}{ENDS[kind]}):"
    )
    (inner / "datasetbase.py").write_text(f"{text}\n        pass\n")
    importlib.invalidate_caches()
    return folder


def metadata(folder: Path, version: str = "0.3.2", origin: dict[str, object] | None = None) -> None:
    info = folder / f"semilearn-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: semilearn\nVersion: {version}\n")
    if origin:
        (info / "direct_url.json").write_text(json.dumps(origin))
    importlib.invalidate_caches()


def refusal() -> str:
    with pytest.raises(SettingsError) as caught:
        check_release()
    text = str(caught.value)
    assert REMEDY in text and "semilearn==0.3.2" in REMEDY and "\n" not in text
    assert caught.value.exit_code == 2
    return text


def test_the_released_wheel_passes(site: Path) -> None:
    metadata(source(site))
    check_release()
    assert "semilearn" not in sys.modules


def test_a_wheel_file_from_disk_passes(site: Path) -> None:
    metadata(source(site), origin={"url": "file:///w/semilearn.whl", "archive_info": {}})
    check_release()


@pytest.mark.parametrize("prepare", [lambda site: None, lambda site: (site / "semilearn").mkdir()])
def test_missing(site: Path, prepare: Callable[[Path], None]) -> None:
    prepare(site)
    assert "not installed" in refusal()


def test_another_version(site: Path) -> None:
    metadata(source(site), version="0.3.1")
    assert "is version 0.3.1" in refusal()


@pytest.mark.parametrize(
    "origin",
    [
        {"url": "file:///home/me/usb", "dir_info": {"editable": True}},
        {"url": "https://github.com/microsoft/usb", "vcs_info": {"vcs": "git", "commit_id": "b05"}},
    ],
)
def test_an_installed_checkout(site: Path, origin: dict[str, object]) -> None:
    metadata(source(site), origin=origin)
    assert f"installed from {origin['url']}" in refusal()


def test_the_source_of_main_under_the_same_version(site: Path) -> None:
    metadata(source(site, "main"))
    said = refusal()
    assert "the repository's main" in said and "set A of patches/main" in said


@pytest.mark.parametrize("installed", [True, False])
def test_main_with_set_a_passes_and_is_not_taken_for_the_release(
    installed: bool, site: Path
) -> None:
    source(site, "main")
    registry = site / "semilearn" / "core" / "utils" / "registry.py"
    registry.parent.mkdir(parents=True)
    registry.write_text("ALL = [('semilearn.algorithms', ['fixmatch'])]")
    if installed:
        metadata(site, origin={"url": "file:///home/me/usb", "dir_info": {"editable": True}})
    assert "set A" in refusal()
    registry.write_text("ALL = [('semilearn.algorithms', ['fixmatch', 'defixmatch'])]")
    check_release()
    with pytest.raises(SettingsError, match="only the released one is taken"):
        release_folder()


def test_a_checkout_that_hides_the_installed_wheel(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata(source(site))
    monkeypatch.setattr(sys, "path", [str(source(tmp_path / "clone")), str(site)])
    assert "clone" in refusal() and "hides the installed" in refusal()


def test_a_checkout_without_any_installation(site: Path) -> None:
    source(site)
    assert "no installer" in refusal()


@pytest.mark.parametrize("text", ["def (", "class Other: pass", None])
def test_source_that_cannot_be_the_release(site: Path, text: str | None) -> None:
    metadata(source(site))
    file = site / "semilearn" / "datasets" / "cv_datasets" / "datasetbase.py"
    file.unlink() if text is None else file.write_text(text)
    assert "differs" in refusal()


def test_the_installed_one_passes_in_20_ms() -> None:
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        check_release()
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.02
