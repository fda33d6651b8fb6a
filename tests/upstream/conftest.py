"""What several tests of the bridges share."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from usb_ext.upstream import stand_ins


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that writes `usbfake/<file>`, the only optional package for the test."""
    for name in list(stand_ins.OPTIONAL):
        monkeypatch.delitem(stand_ins.OPTIONAL, name)
    monkeypatch.setitem(stand_ins.OPTIONAL, "usbfake", ("FakeHook", "usb-fake"))
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(text: str, file: str = "__init__.py") -> None:
        (tmp_path / "usbfake").mkdir(exist_ok=True)
        (tmp_path / "usbfake" / file).write_text(text)
        importlib.invalidate_caches()

    yield write
    stand_ins.forget("usbfake")
    stand_ins._failures.pop("usbfake", None)
