"""The README's sections "Add ...", each example run as it stands there, on a short run."""

import re
from pathlib import Path

import pytest
from support.run import TINY, metrics_of

import usb_ext
from usb_ext.methods.step.registry import EXTENSIONS

README = (Path(__file__).parent.parent / "README.md").read_text()
SECTIONS = {text.splitlines()[0]: text for text in README.split("\n## ") if text.startswith("Add ")}
EXAMPLES = {t: re.findall(r"```python\n(.*?)```", text, re.S)[0] for t, text in SECTIONS.items()}
TERMS = ("train/sup_loss", "train/unsup_loss", "train/ac_loss", "train/entropy_loss")


def test_the_readme_shows_how_to_add() -> None:
    assert "Add an extension" in EXAMPLES
    for title, code in EXAMPLES.items():
        assert len(code.splitlines()) <= 32, title


@pytest.mark.parametrize("title", EXAMPLES)
def test_readme_example_runs(
    title: str, tmp_path: Path, registries: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = usb_ext.train

    def short(_path: str, **given: object) -> object:
        return train({**TINY, "save_dir": str(tmp_path)}, **given)

    monkeypatch.setattr(usb_ext, "train", short)
    exec(EXAMPLES[title], {"__name__": "readme"})
    rows = metrics_of(tmp_path)
    assert len(rows) == 8
    for row in rows:
        parts = sum(row.get(name, 0.0) for name in TERMS)
        assert row["train/total_loss"] == pytest.approx(parts, rel=1e-5)


def test_readme_extension_adds_its_loss(
    tmp_path: Path, registries: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    test_readme_example_runs("Add an extension", tmp_path, registries, monkeypatch)
    assert all(0 < row["train/entropy_loss"] <= 0.1 * 2.303 for row in metrics_of(tmp_path))


def test_names_are_taken_once(registries: None) -> None:
    with pytest.raises(ValueError, match="grad_relu"):
        usb_ext.add_extension(EXTENSIONS["grad_relu"])
