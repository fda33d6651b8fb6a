"""Settings files: those in `config/`, what they hold and open with, and a test's own."""

from pathlib import Path
from typing import Any

import usb_ext
from usb_ext.settings import Settings, load_settings

CONFIG = Path(usb_ext.__file__).parents[1] / "config"


def settings(name: str, **changed: Any) -> Settings:
    return load_settings(CONFIG / f"{name}.yaml", changed).settings


def header(name: str) -> list[str]:
    """The comment lines that a file opens with, without their mark."""
    lines = (CONFIG / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    count = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return [line.removeprefix("# ") for line in lines[:count]]


def yaml(path: Path, *lines: str) -> Path:
    """A settings file of these lines."""
    path.write_text("\n".join((*lines, "")), encoding="utf-8")
    return path
