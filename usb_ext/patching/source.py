"""The sources of the series: one folder of `patches/source` for each change of USB.

A folder such as `C1-any-device` begins with the letter of its set and holds `about.toml`:

    subject, body                  the words of the patch
    breaking                       what it breaks, `none` included: the paragraph that USB's template asks for
    changelog                      the line for CHANGE_LOG.md, where the base has that file
    checks = ["check_device"]      functions of `tests/patching/trees` that fail without it, one a fault
    needs = ["C1-any-device"]      folders whose lines its diffs show, or whose code it calls
    context = 1                    lines around a change in the patch that is made; 3 where nothing is said
    algorithm = "layermatch"       a name for the end of USB's list of algorithms
    [[replace]]  files, old, new   a line for another one in every file of a pattern, on main alone
    [[edit]]     file, old, new    a text for the one place where another one stands, on main alone; with an
                                   empty `old` it is added at the file's end

Beside it lie diffs and files: `both.patch` is applied on every base, `main.patch` and `0.3.2.patch` on their
own; `new/` holds whole files by their path in USB. Those outside `semilearn/` are for main alone: the wheel
holds nothing else. A folder that has nothing for a base gives no patch there.
"""

import re
import shutil
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from usb_ext.core.errors import RunFailed, SettingsError, reason
from usb_ext.patching.repository import Repository

BASES = ("main", "0.3.2")
"""USB's main at the commit of `patching/repository.py`, and the released wheel."""
PACKAGE = "semilearn"
CHANGE_LOG = "CHANGE_LOG.md"
HEADING = "# Change Log\n\n"
REGISTRY = "semilearn/core/utils/registry.py"
LAST_ALGORITHM = re.compile(r"('semilearn\.algorithms', \[[^]]*)(\])")


@dataclass(frozen=True)
class Words:
    """What a patch says of itself.

    Attributes:
        subject: its first line, at most 72 characters.
        body: What, Why and How to see it.
        breaking: what it breaks.
        changelog: the line for CHANGE_LOG.md, without its bullet.
    """

    subject: str
    body: str
    breaking: str
    changelog: str

    def message(self) -> str:
        """The message of the commit."""
        breaking = f"Breaking changes: {self.breaking.strip()}"
        return f"{self.subject}\n\n{self.body.strip()}\n\n{breaking}\n"


@dataclass(frozen=True)
class Change:
    """A patch to make.

    Attributes:
        name: of its folder, such as `C1-any-device`; the letter is the set's.
        words: what it says.
        checks: the functions that fail without it.
        needs: names of changes that it does not apply or run without.
        context: lines around a change.
        diffs: files to apply, by base.
        new: file to copy, by its path in USB.
        algorithm: name that is added to USB's list; empty for none.
        replaced: pattern, old line and new line, by which files of main are changed.
        edited: file of main, old text and new text.
    """

    name: str
    words: Words
    checks: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    context: int = 3
    diffs: dict[str, list[Path]] = field(default_factory=dict)
    new: dict[str, Path] = field(default_factory=dict)
    algorithm: str = ""
    replaced: tuple[tuple[str, str, str], ...] = ()
    edited: tuple[tuple[str, str, str], ...] = ()

    def concerns(self, base: str) -> bool:
        """Whether there is a patch for `base`."""
        everywhere = bool(self.diffs[base] or self.new or self.algorithm)
        return everywhere or (base == "main" and bool(self.replaced or self.edited))

    def write(self, repository: Repository, base: str) -> None:
        """Make the change in a tree of `base` that has the changes before it.

        Raises:
            RunFailed: a diff does not apply, or a text that is to be changed is not there.
        """
        tree = repository.folder
        for diff in self.diffs.get(base, []):
            repository.git("apply", "--index", str(diff.resolve()))
        for name, path in self.new.items():
            if base != "main" and not name.startswith(f"{PACKAGE}/"):
                continue
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, tree / name)
        if self.algorithm:
            _register(tree / REGISTRY, self.algorithm)
        if base == "main":
            for pattern, old, new in self.replaced:
                _replace(tree, pattern, old, new)
            for name, old, new in self.edited:
                _edit(tree / name, old, new)
        _log(tree / CHANGE_LOG, self.words.changelog)


def read_changes(source: Path) -> list[Change]:
    """All changes of a folder such as `patches`, in the order of the series.

    Raises:
        SettingsError: an `about.toml` that cannot be used.
    """
    folders = sorted(path.parent for path in source.glob("source/*/about.toml"))
    return [_read(folder) for folder in folders]


def _read(folder: Path) -> Change:
    try:
        given = tomllib.loads((folder / "about.toml").read_text(encoding="utf-8"))
        return Change(
            name=folder.name,
            words=Words(*(given[key] for key in ("subject", "body", "breaking", "changelog"))),
            checks=tuple(given["checks"]),
            needs=tuple(given.get("needs", ())),
            context=given.get("context", 3),
            diffs={base: _diffs(folder, base) for base in BASES},
            new=_files(folder / "new"),
            algorithm=given.get("algorithm", ""),
            replaced=tuple((r["files"], r["old"], r["new"]) for r in given.get("replace", [])),
            edited=tuple((e["file"], e["old"], e["new"]) for e in given.get("edit", [])),
        )
    except (tomllib.TOMLDecodeError, KeyError, OSError) as error:
        raise SettingsError(f"{folder / 'about.toml'} cannot be used: {reason(error)}") from error


def _diffs(folder: Path, base: str) -> list[Path]:
    found = [folder / f"{name}.patch" for name in ("both", base)]
    return [path for path in found if path.exists()]


def _files(folder: Path) -> dict[str, Path]:
    """The files of a folder by their path in it; compiled ones are left out."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(folder).as_posix(): path for path in found}


def _register(registry: Path, name: str) -> None:
    text, count = LAST_ALGORITHM.subn(
        rf"\g<1>, '{name}'\g<2>", registry.read_text(encoding="utf-8"), count=1
    )
    if count != 1:
        raise RunFailed(f"{REGISTRY} has no list of algorithms to put {name} into")
    registry.write_text(text, encoding="utf-8")


def _replace(tree: Path, pattern: str, old: str, new: str) -> None:
    count = 0
    for path in sorted(tree.glob(pattern)):
        text = path.read_text(encoding="utf-8")
        lines = [new if line == old else line for line in text.split("\n")]
        if "\n".join(lines) != text:
            path.write_text("\n".join(lines), encoding="utf-8")
            count += 1
    if not count:
        raise RunFailed(f"no file of {pattern} has the line {old!r}")


def _edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    if not old:
        text = text if text.endswith("\n") else f"{text}\n"
        file.write_text(text + new, encoding="utf-8")
        return
    if text.count(old) != 1:
        raise RunFailed(f"{file.name} has {text.count(old)} places with {old!r}, not one")
    file.write_text(text.replace(old, new), encoding="utf-8")


def _log(file: Path, line: str) -> None:
    """Put a line at the top of the change log, where there is one."""
    if not file.exists():
        return
    text = file.read_text(encoding="utf-8")
    if not text.startswith(HEADING):
        raise RunFailed(f"{CHANGE_LOG} does not begin with {HEADING.strip()!r}")
    file.write_text(f"{HEADING}* {line}\n{text[len(HEADING) :]}", encoding="utf-8")
