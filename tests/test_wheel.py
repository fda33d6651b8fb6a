"""The wheel, installed without the checkout: what is in it, and the digits example from an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import usb_ext

ROOT = Path(usb_ext.__file__).parents[1]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DIGITS = "layermatch_digits_10"
KINDS = ("*.py", "*.pyi")
OPEN_AGAIN = """
import json, numpy, usb_ext
run = usb_ext.load_run("saved_models/run", device="cpu")
image = run.transform(numpy.zeros((8, 8, 3), numpy.uint8))
logits = run.network(image[None])["logits"]
print(json.dumps([run.result.to_json(), run.classes, list(logits.shape)]))
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, so that nothing is left in the checkout."""
    source = tmp_path_factory.mktemp("source")
    for name in ("usb_ext", "config"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = "import setuptools.build_meta as backend; backend.build_wheel('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (made,) = (source / "dist").glob("*.whl")
    return made


@pytest.fixture(scope="module")
def run(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`usb-ext` or Python with the wheel's package before any other, in a folder that is empty at first."""
    site, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("empty")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-compile", "-q"]
    subprocess.run([*pip, "--target", str(site), str(wheel)], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}

    def started(*words: str) -> subprocess.CompletedProcess[str]:
        script = [str(site / "bin" / "usb-ext")] if words[0] == "usb-ext" else []
        command = [sys.executable, "-P", *script, *words[len(script) :]]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)

    code = "import usb_ext; print(usb_ext.__file__, usb_ext.__version__)"
    where = started("-c", code).stdout.split()
    assert where == [str(site / "usb_ext" / "__init__.py"), usb_ext.__version__]
    return started


def test_every_package_is_declared() -> None:
    folders = (path.parent.relative_to(ROOT) for path in (ROOT / "usb_ext").rglob("__init__.py"))
    packages = {".".join(folder.parts) for folder in folders}
    assert set(DECLARED["tool"]["setuptools"]["packages"]) == {*packages, "usb_ext.shipped"}


def test_it_holds_the_source_the_settings_files_and_the_papers_numbers(wheel: Path) -> None:
    expected = {
        *(p.relative_to(ROOT).as_posix() for kind in KINDS for p in (ROOT / "usb_ext").rglob(kind)),
        *(f"usb_ext/shipped/{path.name}" for path in (ROOT / "config").glob("*.yaml")),
        *(f"usb_ext/papers/published/{table}.csv" for table in usb_ext.published()),
        "usb_ext/papers/published/protocols.toml",
        "usb_ext/settings/recipes.toml",
        "usb_ext/py.typed",
        "usb_ext/reporting/templates/page.html",
        *(f"usb_ext/labelling/page/{name}" for name in ("index.html", "app.js", "style.css")),
    }
    held = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert held == expected
    assert sum(name.endswith(".yaml") for name in held) > 20


def test_its_commands_know_the_shipped_files(run: Run) -> None:
    listed = run("usb-ext", "configs")
    names = [line.partition(":")[0] for line in listed.stdout.splitlines()]
    assert names == sorted(path.stem for path in (ROOT / "config").glob("*.yaml"))
    checked = run("usb-ext", "check-config", DIGITS)
    assert checked.stdout == f"{DIGITS}: ok\n", checked.stderr


def test_the_digits_example_runs_from_an_empty_folder(run: Run) -> None:
    few = ["--num_train_iter", "4", "--num_eval_iter", "4", "--save_name", "run"]
    here = ["--device", "cpu", "--num_threads", "1"]
    trained = run("usb-ext", "train", "--c", DIGITS, *few, *here)
    assert trained.returncode == 0, trained.stderr
    told, _, record = trained.stdout.strip().rpartition("  ")
    assert told.startswith("top1_last ") and Path(record) == Path("saved_models/run/result.json")
    opened = run("-c", OPEN_AGAIN)
    assert opened.returncode == 0, opened.stderr
    result, classes, shape = json.loads(opened.stdout)
    assert (result["algorithm"], result["iterations"]) == ("layermatch", 4)
    assert (result["status"], result["commit"]) == ("completed", None)
    assert (classes, shape) == (list("0123456789"), [1, 10])
