"""The README's example of an extension, run as it stands there, on a short run."""

import re
from pathlib import Path

import pytest
from helpers_run import TINY, metrics_of

import usb_ext
from usb_ext.algorithms.extensions import EXTENSIONS
from usb_ext.config import names

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture
def registries() -> object:
    """The registries as they were before the test."""
    known, listed = dict(EXTENSIONS), list(names.EXTENSIONS)
    yield
    EXTENSIONS.clear()
    EXTENSIONS.update(known)
    names.EXTENSIONS[:] = listed


def test_readme_example_adds_a_loss(
    tmp_path: Path, registries: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = README.read_text().split("## Add an extension")[1]
    code = re.search(r"```python\n(.*?)```", section, re.S)
    assert code is not None
    train = usb_ext.train

    def short(_path: str, **given: object) -> object:
        return train({**TINY, "save_dir": str(tmp_path)}, **given)

    monkeypatch.setattr(usb_ext, "train", short)
    exec(code.group(1), {"__name__": "readme"})
    rows = metrics_of(tmp_path)
    assert len(rows) == 8
    for row in rows:
        parts = row["train/sup_loss"] + row["train/unsup_loss"] + row["train/entropy_loss"]
        assert row["train/total_loss"] == pytest.approx(parts, rel=1e-5)
        assert 0 < row["train/entropy_loss"] <= 0.1 * 2.303


def test_names_are_taken_once(registries: object) -> None:
    with pytest.raises(ValueError, match="grad_relu"):
        usb_ext.add_extension(EXTENSIONS["grad_relu"])
