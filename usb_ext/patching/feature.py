"""A feature patch: an algorithm in USB's layout, written by hand but for `utils.py`.

A folder `features/<name>/` holds `feature.toml`, the algorithm's Python files and its settings file:

    order = 1                        place in the series, after the bridges
    set                              the letter of its set
    subject, body                    the words of the patch
    breaking, changelog              what it breaks, and its line in CHANGE_LOG.md
    imports = ["..."]                lines that the made file needs beside those of its sources
    [replace]  OurError = "Theirs"   names of ours and what stands for them in USB
    [[take]]   module = "methods/x.py"   names = [...]    what utils.py is made of; no names: all

Definitions of our modules as text for a module of USB's, so that the mathematics exists once.

A module's definitions are copied with their docstrings; its own docstring becomes a comment above them. Its
imports are merged with those of the other modules, without those of usb_ext itself, whose names are in the
same new file or given by `replace` and `header`.
"""

import ast
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usb_ext.core.errors import RunFailed, SettingsError, reason

OLDER_PYTHON = ((", strict=True)", ")"),)
"""USB supports Python 3.9, where `zip` has no `strict`; what ours checks with it holds by construction."""


@dataclass(frozen=True)
class Source:
    """A module to take from.

    Attributes:
        name: its path in the package, such as `methods/step/head_tap.py`.
        text: what it holds.
        names: definitions to take; empty for all of them.
    """

    name: str
    text: str
    names: tuple[str, ...] = ()


def put_together(
    sources: Sequence[Source], imports: Sequence[str] = (), replace: Mapping[str, str] | None = None
) -> str:
    """One module of USB's from several of ours.

    Args:
        sources: where to take from, in this order.
        imports: import lines to add.
        replace: names that another one takes the place of, such as our errors.

    Raises:
        RunFailed: a name that a source does not define, or one of ours that none of them defines.
    """
    text = "\n\n\n".join(_body(source) for source in sources)
    for ours, theirs in (replace or {}).items():
        text = re.sub(rf"\b{ours}\b", theirs, text)
    for newer, older in OLDER_PYTHON:
        text = text.replace(newer, older)
    text = re.sub(r"  # type: ignore\[[^]]*\]", "", text)
    needed = _needed_imports(sources, text)
    _refuse_dangling(sources, text, imports)
    lines = ["from __future__ import annotations", "", *needed, *imports]
    return "# Licensed under the MIT License.\n\n" + "\n".join(lines) + "\n\n\n" + text + "\n"


def _body(source: Source) -> str:
    tree = ast.parse(source.text)
    lines = source.text.splitlines()
    taken, wanted = [], set(source.names)
    for node, following in zip(tree.body, [*tree.body[1:], None], strict=True):
        name = _defined(node)
        if name is None or (source.names and name not in source.names):
            continue
        wanted.discard(name)
        last = following if _is_text(following) else node
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        taken.append("\n".join(lines[first - 1 : last.end_lineno]))  # type: ignore[union-attr]
    if wanted:
        raise RunFailed(f"{source.name} defines no {', '.join(sorted(wanted))}")
    return "\n\n\n".join([_comment(ast.get_docstring(tree) or ""), *taken])


def _defined(node: ast.stmt) -> str | None:
    """The name that a statement defines; None for imports and texts."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
    return target.id if isinstance(target, ast.Name) else None


def _is_text(node: ast.stmt | None) -> bool:
    """Whether a statement is a text on its own, as below a constant."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _comment(docstring: str) -> str:
    """A module's docstring as a comment above its definitions."""
    return "\n".join(f"# {line}".rstrip() for line in docstring.splitlines())


def _needed_imports(sources: Sequence[Source], text: str) -> list[str]:
    """Import lines of other packages for the names that `text` uses, the standard library first."""
    used, found = _used(text), set()
    for node in (n for s in sources for n in ast.parse(s.text).body):
        if isinstance(node, ast.Import):
            names = [a for a in node.names if (a.asname or a.name).partition(".")[0] in used]
            found |= {ast.unparse(ast.Import([a])) for a in names}
        elif isinstance(node, ast.ImportFrom) and not _ours(node):
            kept = [a for a in node.names if (a.asname or a.name) in used]
            found |= {ast.unparse(ast.ImportFrom(node.module, [a], 0)) for a in kept}
    return sorted(found, key=lambda line: (" torch" in line, line.startswith("from"), line))


def _refuse_dangling(sources: Sequence[Source], text: str, imports: Sequence[str]) -> None:
    """Refuse a text that uses a name of ours which is neither taken nor imported."""
    statements = [*ast.parse(text).body, *ast.parse("\n".join(imports)).body]
    there = {_defined(node) for node in statements}
    for node in statements:
        if isinstance(node, ast.Import | ast.ImportFrom):
            there |= {a.asname or a.name for a in node.names}
    imported = [n for s in sources for n in ast.parse(s.text).body if isinstance(n, ast.ImportFrom)]
    ours = {a.asname or a.name for n in imported if _ours(n) for a in n.names}
    if dangling := sorted(ours & _used(text) - there):
        names = ", ".join(source.name for source in sources)
        raise RunFailed(f"{', '.join(dangling)} is used in what is taken of {names}; take it too")


def _ours(node: ast.ImportFrom) -> bool:
    return (node.module or "").partition(".")[0] == "usb_ext"


def _used(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


PACKAGE = Path(__file__).parent.parent
REGISTRY = "semilearn/core/utils/registry.py"
LAST_ALGORITHM = re.compile(r"('semilearn\.algorithms', \[[^]]*)(\])")


@dataclass(frozen=True)
class Feature:
    """An algorithm to add.

    Attributes:
        name: as registered.
        order: its place among the features.
        message: subject, empty line and body of the patch.
        files: content by path in USB's repository.
        letter: of the set that it belongs to.
        breaking: what it breaks.
        changelog: its line in the change log.
    """

    name: str
    order: int
    message: str
    files: dict[str, str]
    letter: str = ""
    breaking: str = ""
    changelog: str = ""


def read_features(folder: Path) -> list[Feature]:
    """All features of a folder, in order.

    Args:
        folder: `patches/features`.

    Raises:
        SettingsError: a `feature.toml` that cannot be read or lacks a key.
        RunFailed: a name to take that our source does not have.
    """
    found = [_read(path.parent) for path in folder.glob("*/feature.toml")]
    return sorted(found, key=lambda feature: feature.order)


def _read(folder: Path) -> Feature:
    described = folder / "feature.toml"
    try:
        given = tomllib.loads(described.read_text(encoding="utf-8"))
        message = f"{given['subject']}\n\n{given['body'].strip()}\n"
        utils = put_together(
            [_source(part) for part in given["take"]],
            given.get("imports", []),
            given.get("replace", {}),
        )
        order = int(given["order"])
        letter, breaking, changelog = (given[key] for key in ("set", "breaking", "changelog"))
    except (tomllib.TOMLDecodeError, KeyError, OSError) as error:
        raise SettingsError(f"{described} cannot be used: {reason(error)}") from error
    place = f"semilearn/algorithms/{folder.name}"
    files = {f"{place}/utils.py": utils}
    for path in sorted(folder.glob("*.py")):
        files[f"{place}/{path.name}"] = path.read_text(encoding="utf-8")
    for path in sorted(folder.glob("*.yaml")):
        files[f"config/usb_cv/{folder.name}/{path.name}"] = path.read_text(encoding="utf-8")
    return Feature(folder.name, order, message, files, letter, breaking, changelog)


def _source(part: dict[str, Any]) -> Source:
    text = (PACKAGE / part["module"]).read_text(encoding="utf-8")
    return Source(part["module"], text, tuple(part.get("names", ())))


def write_feature(feature: Feature, tree: Path) -> None:
    """Put a feature's files into a tree of USB and its name into USB's list of algorithms.

    Args:
        feature: what to write.
        tree: the folder that holds `semilearn/`.

    Raises:
        RunFailed: USB's list is not where it is in the release.
    """
    for name, text in feature.files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    registry = tree / REGISTRY
    text, count = LAST_ALGORITHM.subn(
        rf"\g<1>, '{feature.name}'\g<2>", registry.read_text(encoding="utf-8"), count=1
    )
    if count != 1:
        raise RunFailed(f"{REGISTRY} has no list of algorithms to put {feature.name} into")
    registry.write_text(text, encoding="utf-8")
