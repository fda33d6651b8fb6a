"""The import direction: a layer imports only what lies below it, and only `upstream` knows semilearn."""

import ast
from pathlib import Path

import pytest

import usb_ext

PACKAGE = Path(usb_ext.__file__).parent
LAYER = {
    "functional": 0, "config": 0, "errors": 0, "runtime": 0, "run_folder": 0, "result": 0, "stage_record": 0,
    "_version": 0, "upstream": 1, "hooks": 2, "data": 2, "algorithms": 3, "engine": 3, "stages": 4,
    "paper_tables": 0, "atomic_files": 0, "tex": 0, "evidence": 3,
    "run_log": 0, "bench": 3, "commands": 5, "cli": 5, "train": 5, "__main__": 5, "__init__": 5,
    "comparison": 3, "pretraining": 3, "patching": 3,
}  # fmt: skip
FUNCTIONAL_MAY = {"torch", "numpy", "scipy", "sklearn", "faiss", "usb_ext"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> list[str]:
    """Every module that a file imports, anywhere in it."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.append(node.module or "")
    return found


def part_of(path: Path) -> str:
    """`hooks` for usb_ext/hooks/ema.py, `cli` for usb_ext/cli.py."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    own = part_of(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "semilearn":
            assert own == "upstream", f"{path} imports {name}"
        if parts[0] == "usb_ext" and len(parts) > 1:
            assert LAYER[parts[1]] <= LAYER[own], f"{path} ({own}) imports {name}"


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "functional").glob("*.py")), ids=lambda p: p.stem
)
def test_functional_knows_mathematics_only(path: Path) -> None:
    import sys

    for name in imports(path):
        top = name.split(".")[0]
        assert top in FUNCTIONAL_MAY or top in sys.stdlib_module_names, f"{path} imports {name}"
        assert not name.startswith("usb_ext") or name.startswith("usb_ext.functional")


def test_stages_do_not_import_each_other() -> None:
    """They talk through files; pictures and reports belong to the stage that draws them."""
    helpers = {
        "usb_ext.training.report",
        "usb_ext.plots.pictures",
        "usb_ext.stages.boundary_picture",
        "usb_ext.methods.influence.report",
        "usb_ext.stages.weights_pictures",
        "usb_ext.stages.selection_pictures",
        "usb_ext.stages.contact_sheet",
        "usb_ext.as3l.propagate.report",
        "usb_ext.stages.reliability_picture",
        "usb_ext.stages.plane_picture",
    }
    for path in (PACKAGE / "stages").glob("*.py"):
        used = {n for n in imports(path) if n.startswith("usb_ext.stages.")}
        assert used <= helpers, f"{path} imports {used - helpers}"


def test_no_module_of_ours_shadows_another() -> None:
    """`python usb_ext/train.py` puts usb_ext/ on the path; these names would be found there."""
    import sys

    own = {p.stem for p in PACKAGE.glob("*.py")} | {p.name for p in PACKAGE.iterdir() if p.is_dir()}
    assert not (own - {"__init__", "__main__"}) & set(sys.stdlib_module_names)


def test_commands_start_without_torch() -> None:
    """Only the stages import torch: `--help` and argument errors answer at once."""
    for module in (PACKAGE / "cli.py", PACKAGE / "__init__.py", *(PACKAGE / "config").glob("*.py")):
        top_level = [
            n
            for n in ast.parse(module.read_text()).body
            if isinstance(n, ast.Import | ast.ImportFrom)
        ]
        names = {a.name for n in top_level if isinstance(n, ast.Import) for a in n.names}
        names |= {n.module or "" for n in top_level if isinstance(n, ast.ImportFrom)}
        heavy = ("torch", "semilearn", "usb_ext.stages", "usb_ext.engine", "usb_ext.core.runtime")
        assert not [n for n in names if n.startswith(heavy)], module
