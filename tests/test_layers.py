"""The house: a room imports only what lies below it, only `upstream` knows semilearn, tests lie alike."""

import ast
import sys
from pathlib import Path

import pytest

import usb_ext

PACKAGE = Path(usb_ext.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

ROOMS = (
    "core", "plots", "settings", "augment", "upstream", "data", "inference", "engine", "methods", "training",
    "estimator", "as3l", "comparison", "papers", "labelling", "serving", "reporting", "quickstart", "bench",
    "patching",
    "cli",
)  # fmt: skip
"""From the ground up."""

INSIDE = {
    "engine": ("hooks", ""),
    "methods": ("step", "bases", "layermatch", "smooth", "influence", "as3l", ""),
    "as3l": ("inputs", "clustering", "pretrain", "frozen", "select", "propagate", ""),
}
"""Rooms within a room, from the ground up; "" are its own files."""


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


def names_of(path: Path) -> list[str]:
    """`[methods, bases, uda]` for usb_ext/methods/bases/uda.py."""
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def own(path: Path) -> list[str]:
    """The modules of ours that a file imports, below `usb_ext`."""
    return [name for name in imports(path) if name.startswith("usb_ext.")]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    here = names_of(path)
    for name in imports(path):
        if name.split(".")[0] == "semilearn":
            assert here[0] == "upstream", f"{path} imports {name}"
    if not here or here[0] not in ROOMS:
        return  # train.py, __main__.py and the package itself stand above all rooms
    for name in own(path):
        room = name.split(".")[1]
        if room != "_version":
            assert ROOMS.index(room) <= ROOMS.index(here[0]), f"{path} imports {name}"


@pytest.mark.parametrize("room", INSIDE)
def test_imports_within_a_room_point_downwards(room: str) -> None:
    order = INSIDE[room]

    def floor(parts: list[str]) -> int:
        inner = parts[1] if len(parts) > 1 and parts[1] in order else ""
        return order.index(inner)

    for path in (PACKAGE / room).rglob("*.py"):
        for name in own(path):
            parts = name.split(".")[1:]
            if parts[0] == room:
                assert floor(parts) <= floor(names_of(path)), f"{path} imports {name}"


def test_no_module_imports_itself_in_a_circle() -> None:
    """Imports at the top of files, between files: a graph without a circle."""
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        tree = ast.parse(path.read_text())
        found = {n.module or "" for n in tree.body if isinstance(n, ast.ImportFrom)}
        found |= {a.name for n in tree.body if isinstance(n, ast.Import) for a in n.names}
        graph[".".join(["usb_ext", *names_of(path)])] = found
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join((*above, name))
        if name in graph and name not in done:
            for below in graph[name]:
                visit(below, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_every_room_has_its_place() -> None:
    assert {p.name for p in PACKAGE.iterdir() if (p / "__init__.py").is_file()} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_is_for(room: str) -> None:
    text = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text())) or ""
    assert len(text) > 60, f"{room}/__init__.py says: {text!r}"


def test_no_module_of_ours_shadows_another() -> None:
    """`python usb_ext/train.py` puts usb_ext/ on the path; these names would be found there."""
    here = {p.stem for p in PACKAGE.glob("*.py")} | {
        p.name for p in PACKAGE.iterdir() if p.is_dir()
    }
    assert not (here - {"__init__", "__main__"}) & set(sys.stdlib_module_names)


def test_commands_start_without_torch() -> None:
    """Only what a command calls imports torch: `--help` and argument errors answer at once."""
    light = [p for p in (PACKAGE / "cli").glob("*.py") if p.stem not in ("reports", "serve_runs")]
    for module in (PACKAGE / "__init__.py", *light, *(PACKAGE / "settings").glob("*.py")):
        tree = ast.parse(module.read_text())
        names = {a.name for n in tree.body if isinstance(n, ast.Import) for a in n.names}
        names |= {n.module or "" for n in tree.body if isinstance(n, ast.ImportFrom)}
        heavy = (
            "torch",
            "semilearn",
            "numpy",
            "usb_ext.training",
            "usb_ext.engine",
            "usb_ext.core.runtime",
        )
        assert not [n for n in names if n.startswith(heavy)], module


TESTS = Path(__file__).parent
BESIDE = ("config", "docs", "cases", "campaign", "support")
OF_NO_MODULE = {
    "test_layers.py", "test_types.py", "test_wheel.py", "test_public_api.py", "test_add_base.py",
    "test_add_dataset.py", "test_add_extension.py",
    "methods/bases/test_usb_equality.py", "patching/test_patches.py",
    "patching/test_patches_main.py",
}  # fmt: skip
"""Tests of the house, of what `usb_ext` offers, of all bases at once, and of the patches themselves."""


def test_tests_lie_as_the_package_lies() -> None:
    """`tests/x/test_y.py` and `tests/x/test_y_topic.py` test `usb_ext/x/y.py`.

    `tests/config` tests the settings files in `config/`, `tests/docs` the pages, `tests/cases` what was
    reported from the field, `tests/campaign` many cases by chance, `tests/support` has the tests of our
    helpers.
    """
    lost = []
    for path in sorted(TESTS.rglob("test_*.py")):
        place = path.relative_to(TESTS)
        if place.parts[0] in BESIDE or str(place) in OF_NO_MODULE:
            continue
        modules = {m.stem.strip("_") for m in (PACKAGE / place.parent).glob("*.py")}
        name = place.stem.removeprefix("test_")
        if not any(name == module or name.startswith(f"{module}_") for module in modules):
            lost.append(str(place))
    assert lost == []
