"""The pages' snippets of Python: they compile, name public names only, and run, training shortened."""

import ast
import json
import queue
import sys
import threading
import types
import urllib.request
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.pages import DOCS, PAGES, blocks, name_of
from support.run import TINY, metrics_of

import usb_ext
from usb_ext.cli.main import main

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
    usb_ext.train("", algorithm="fixmatch")
    load_run = usb_ext.load_run
    monkeypatch.setattr(usb_ext, "load_run", lambda folder: load_run(short / TINY["save_name"]))
    _, opened = blocks(DOCS / "getting_started.md", "python")
    (predicted,) = blocks(DOCS / "own_images.md", "python")
    Image.new("RGB", (20, 20), (200, 30, 30)).save(short / "new.png")
    for code in (opened, predicted):
        exec(code, {"__name__": "page"})
    assert capsys.readouterr().out.strip().splitlines()[-1] in load_run(short / "run").classes


@pytest.fixture
def used(short: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`saved_models/my_run` in the working folder, and `new.png`."""
    usb_ext.train("", algorithm="fixmatch")
    (short / "saved_models").mkdir()
    (short / TINY["save_name"]).rename(short / "saved_models" / "my_run")
    Image.new("RGB", (20, 24), (200, 30, 30)).save(short / "new.png")
    return short


def test_a_run_is_used_and_exported_as_shown(
    used: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example of ONNX says the class that the run says; translating a network takes seconds."""
    predicted, in_onnx, in_torch, _ = blocks(DOCS / "use_your_model.md", "python")
    exec(predicted, {"__name__": "page"})
    said, *shape = capsys.readouterr().out.split()
    assert said in "0123456789" and shape == ["(1,", "10)"]
    for kind, name in (("onnx", "model.onnx"), ("torch", "model.pt2")):
        assert main(["export", "saved_models/my_run", "--format", kind, "--out", name]) == 0
    capsys.readouterr()
    names: dict[str, Any] = {"__name__": "page"}
    for code in (in_onnx, in_torch):
        exec(code, names)
    assert capsys.readouterr().out.split() == [said]
    assert json.loads(names["about"]["usb_ext.json"])["classes"] == list("0123456789")


def test_the_server_answers_and_goes_on_after_a_bad_image(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers: queue.Queue[HTTPServer] = queue.Queue()

    class OnAnyPort(HTTPServer):
        def __init__(self, address: tuple[str, int], answer: Any) -> None:
            assert address[0] == "127.0.0.1"
            super().__init__(("127.0.0.1", 0), answer)
            servers.put(self)

        def handle_error(self, *_: Any) -> None:
            """Its traceback is not shown."""

    monkeypatch.setattr("http.server.HTTPServer", OnAnyPort)
    code = blocks(DOCS / "use_your_model.md", "python")[-1]
    assert len([line for line in code.splitlines() if line]) <= 15
    thread = threading.Thread(target=exec, args=(code, {"__name__": "page"}), daemon=True)
    thread.start()
    server = servers.get(timeout=60)
    place = f"http://127.0.0.1:{server.server_port}"
    with pytest.raises(OSError):
        urllib.request.urlopen(place, data=b"no image", timeout=60)
    with urllib.request.urlopen(place, data=(used / "new.png").read_bytes(), timeout=60) as answer:
        shares = json.load(answer)
    server.shutdown()
    server.server_close()
    thread.join(60)
    assert list(shares) == list("0123456789")
    assert sum(shares.values()) == pytest.approx(1, abs=1e-5)


def test_the_comparison_is_asked_for_as_shown(
    short: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No run is started: what is planned is what the page says."""
    compare = usb_ext.compare
    monkeypatch.setattr(
        usb_ext, "compare", lambda *a, **k: compare(*a, **k, train=False, out="out")
    )
    (code,) = blocks(DOCS / "comparing.md", "python")
    names: dict[str, Any] = {"__name__": "page"}
    exec(code, names)
    assert [run["method"] for run in names["made"]["runs"]] == ["hard", "low"] * 2
    assert capsys.readouterr().out.rstrip().endswith("out")


def test_the_estimator_learns_as_shown(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks(DOCS / "scikit_learn.md", "python")
    exec(code, {"__name__": "page"})
    *_, accuracy = capsys.readouterr().out.split()
    assert float(accuracy) > 0.7


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
