"""`Any` in public signatures: where it stands, and why it may."""

import ast
from collections.abc import Iterator
from pathlib import Path

import usb_ext

PACKAGE = Path(usb_ext.__file__).parent
MODULES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}

OPEN = {
    "engine/engine.py:Engine.process_batch": "entries by name, each of its own kind, as USB has it",
    "engine/state.py:plain": "a copy of the value, of the value's own kind",
    "methods/influence/per_example/gradients.py:Network": "gives what the given network gives",
    "methods/influence/per_example/gradients.py:Nested": "tensors in containers to any depth",
    "methods/influence/per_example/layers.py:Product": "each is for one kind of layer",
    "upstream/running.py:Batch": "an input is a tensor or, for texts, a dict of them",
    "upstream/running.py:Collate": "a sample is what its data set gives",
    "upstream/running.py:LoaderDict": "loaders for training and for evaluation have no common type",
    "upstream/running.py:Running.call_hook": "it gives what the named hook's method gives",
    "upstream/running.py:Scores": "numbers, and an array of logits where asked for",
    "upstream/running.py:State": "plain values to any depth",
}
"""Of the rooms methods and engine, and of what a running algorithm has: all that is open."""


def annotations(node: ast.FunctionDef) -> Iterator[ast.expr]:
    """What the parameters and the result are annotated with."""
    given = node.args
    every = (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg)
    yield from (a.annotation for a in every if a is not None and a.annotation is not None)
    if node.returns is not None:
        yield node.returns


def names_any(expression: ast.AST) -> bool:
    """Whether `Any` stands in it, in a string too."""
    for node in ast.walk(expression):
        if isinstance(node, ast.Name) and node.id == "Any":
            return True
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "Any" in node.value:
            return True
    return False


def public(name: str) -> bool:
    return not name.startswith("_") or name.endswith("__")


def opened(body: list[ast.stmt], owner: str = "") -> Iterator[str]:
    """Public functions, methods and aliases of a module in whose signature `Any` stands."""
    for node in body:
        if isinstance(node, ast.ClassDef) and public(node.name):
            yield from opened(node.body, f"{owner}{node.name}.")
        elif isinstance(node, ast.FunctionDef) and public(node.name):
            if any(map(names_any, annotations(node))):
                yield f"{owner}{node.name}"
        elif isinstance(node, ast.Assign) and not owner and names_any(node.value):
            yield from (t.id for t in node.targets if isinstance(t, ast.Name) and t.id != "__all__")


def test_what_is_open_in_methods_and_engine_has_a_reason() -> None:
    rooms = [name for name in MODULES if name.startswith(("methods/", "engine/"))]
    found = {
        f"{name}:{what}"
        for name in (*rooms, "upstream/running.py")
        for what in opened(ast.parse(MODULES[name].read_text()).body)
    }
    assert found == set(OPEN)


def test_open_signatures_are_found() -> None:
    """The search itself, on what it must and must not find."""
    text = """
Alias = dict[str, Any]
TEXT = 1
class A:
    def __init__(self, *rest: Any) -> None: ...
    def b(self, x: "list[Any]") -> None: ...
    def _c(self, x: Any) -> None: ...
    def d(self, x: object) -> None:
        y: Any = x
def e() -> Any: ...
"""
    assert list(opened(ast.parse(text).body)) == ["Alias", "A.__init__", "A.b", "e"]


def test_a_running_algorithm_and_its_arguments_are_typed() -> None:
    """In every room, in private functions too: `upstream/running.py` says what they have."""
    untyped = set()
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                given = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
                kinds = {a.arg: a.annotation for a in given if isinstance(a.annotation, ast.Name)}
                untyped |= {
                    f"{name}:{node.name}({argument})"
                    for argument in ("algorithm", "args", "self")
                    if argument in kinds and kinds[argument].id == "Any"
                }
    assert untyped == {"upstream/device.py:moved(self)"}  # `cuda` of tensors and of modules in one
