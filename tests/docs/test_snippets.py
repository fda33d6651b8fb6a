"""The pages' snippets of Python: they compile, name public names only, and run, training shortened."""

import ast
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from support.pages import DOCS, PAGES, blocks, name_of
from support.run import TINY, metrics_of

import usb_ext

SNIPPETS = [(page, code) for page in PAGES for code in blocks(page, "python")]
IDS = [f"{name_of(page)}-{number}" for number, (page, _) in enumerate(SNIPPETS)]
ADDED = ("Entropy", "Margin", "stripes")
TERMS = ("train/sup_loss", "train/unsup_loss", "train/ac_loss", "train/entropy_loss")


def names_used(code: str) -> set[str]:
    """X of every `usb_ext.X`."""
    nodes = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Attribute)]
    return {n.attr for n in nodes if isinstance(n.value, ast.Name) and n.value.id == "usb_ext"}


def modules_used(code: str) -> set[str]:
    """Modules of ours that a snippet imports from."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] == "usb_ext"}


def adding(what: str) -> str:
    """The snippet of `docs/extending.md` that defines a class or function."""
    (code,) = [code for code in blocks(DOCS / "extending.md", "python") if f" {what}(" in code]
    return code


@pytest.fixture
def short(tmp_path: Path, registries: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`usb_ext.train` takes eight steps in this folder, whatever file it is given."""
    train = usb_ext.train

    def shortened(_file: str, **given: Any) -> Any:
        return train({**TINY, "save_dir": str(tmp_path)}, **{**given, "num_train_iter": 8})

    monkeypatch.setattr(usb_ext, "train", shortened)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("page", "code"), SNIPPETS, ids=IDS)
def test_a_snippet_uses_public_names_only(page: Path, code: str) -> None:
    assert names_used(code) <= {*usb_ext.__all__}
    assert modules_used(code) <= {"usb_ext"}
    assert len(code.splitlines()) <= 32


@pytest.mark.parametrize("what", ADDED)
def test_what_extending_adds_trains(what: str, short: Path) -> None:
    exec(adding(what), {"__name__": "page"})
    rows = metrics_of(short)
    assert len(rows) == 8
    for row in rows:
        parts = sum(row.get(name, 0.0) for name in TERMS)
        assert row["train/total_loss"] == pytest.approx(parts, rel=1e-5)
    if what == "Entropy":
        assert all(0 < row["train/entropy_loss"] <= 0.1 * 2.303 for row in rows)


def test_the_network_of_extending_trains(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("my_nets")
    exec(adding("Small"), module.__dict__)
    monkeypatch.setitem(sys.modules, "my_nets", module)
    usb_ext.train("", net="my_nets:small", algorithm="layermatch")
    assert len(metrics_of(short)) == 8


def test_the_first_snippet_gives_a_record(short: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_one, _ = blocks(DOCS / "getting_started.md", "python")
    exec(train_one, {"__name__": "page"})
    accuracy, place = capsys.readouterr().out.splitlines()[-1].split(maxsplit=1)
    assert float(accuracy) == json.loads((Path(place) / "result.json").read_text())["top1_last"]


def test_finished_runs_are_opened_as_shown(
    short: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    usb_ext.train("", algorithm="fixmatch")
    load_run = usb_ext.load_run
    monkeypatch.setattr(usb_ext, "load_run", lambda folder: load_run(short / TINY["save_name"]))
    _, opened = blocks(DOCS / "getting_started.md", "python")
    (predicted,) = blocks(DOCS / "own_images.md", "python")
    Image.new("RGB", (20, 20), (200, 30, 30)).save(short / "new.png")
    for code in (opened, predicted):
        exec(code, {"__name__": "page"})
    assert capsys.readouterr().out.strip().splitlines()[-1] in load_run(short / "run").classes


@pytest.mark.parametrize("page", ["papers/index.md", "papers/influence.md", "upstream.md"])
def test_the_other_snippets_run(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks(DOCS / page, "python")
    exec(code, {"__name__": "page"})
    if page == "papers/influence.md":
        assert "[5, 8, 4]" in capsys.readouterr().out


def test_the_page_of_the_api_has_every_public_name() -> None:
    text = (DOCS / "api.md").read_text()
    for name in usb_ext.__all__:
        assert name == "__version__" or f"usb_ext.{name}" in text, name
