"""The sources of the series: one folder of `patches/source` for each change of USB that is no new algorithm.

A folder such as `C1-any-device` begins with the letter of its set and holds `about.toml` and diffs:

    subject, body                  the words of the patch
    breaking                       what it breaks, `none` included: the paragraph that USB's template asks for
    changelog                      the line for CHANGE_LOG.md, where the base has that file
    check                          function of `tests/patching/trees/patch_checks.py` that fails without it
    needs = ["C1-any-device"]      folders whose lines its diffs show, where they do not apply without
    context = 1                    lines around a change in the patch that is made; 3 where nothing is said
    [[replace]]  files, old, new   a line for another one in every file of a pattern, on main alone

`both.patch` is applied on every base, `main.patch` and `0.3.2.patch` on theirs. A folder that has nothing for
a base gives no patch there.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from usb_ext.core.errors import RunFailed, SettingsError, reason
from usb_ext.patching.feature import Feature, read_features, write_feature
from usb_ext.patching.repository import Repository

BASES = ("main", "0.3.2")
"""USB's main at the commit of `patching/repository.py`, and the released wheel."""
CHANGE_LOG = "CHANGE_LOG.md"
HEADING = "# Change Log\n\n"


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
        check: the function that fails without it; empty for a feature.
        needs: names of changes that its diffs do not apply without.
        context: lines around a change.
        diffs: files to apply, by base.
        replaced: pattern, old line and new line, by which files are changed.
        feature: the algorithm that is added, if it is one.
    """

    name: str
    words: Words
    check: str = ""
    needs: tuple[str, ...] = ()
    context: int = 3
    diffs: dict[str, list[Path]] = field(default_factory=dict)
    replaced: tuple[tuple[str, str, str], ...] = ()
    feature: Feature | None = None

    def concerns(self, base: str) -> bool:
        """Whether there is a patch for `base`."""
        everywhere = self.feature is not None
        return everywhere or bool(self.diffs[base]) or (base == "main" and bool(self.replaced))

    def write(self, repository: Repository, base: str) -> None:
        """Make the change in a tree of `base` that has the changes before it.

        Raises:
            RunFailed: a diff does not apply, or a pattern fits no line.
        """
        for diff in self.diffs.get(base, []):
            repository.git("apply", "--index", str(diff.resolve()))
        for pattern, old, new in self.replaced:
            _replace(repository.folder, pattern, old, new)
        if self.feature is not None:
            write_feature(self.feature, repository.folder)
        _log(repository.folder / CHANGE_LOG, self.words.changelog)


def read_changes(source: Path) -> list[Change]:
    """All changes of a folder such as `patches`, in the order of the series.

    Raises:
        SettingsError: an `about.toml` or `feature.toml` that cannot be used.
        RunFailed: a name to take that our source does not have.
    """
    folders = sorted(path.parent for path in source.glob("source/*/about.toml"))
    bridges = [_read(folder) for folder in folders]
    return [*bridges, *(_added(feature) for feature in read_features(source / "features"))]


def _read(folder: Path) -> Change:
    try:
        given = tomllib.loads((folder / "about.toml").read_text(encoding="utf-8"))
        words = Words(*(given[key] for key in ("subject", "body", "breaking", "changelog")))
        replaced = tuple((r["files"], r["old"], r["new"]) for r in given.get("replace", []))
        check, context = given["check"], given.get("context", 3)
        needs = tuple(given.get("needs", ()))
    except (tomllib.TOMLDecodeError, KeyError, OSError) as error:
        raise SettingsError(f"{folder / 'about.toml'} cannot be used: {reason(error)}") from error
    diffs = {base: _diffs(folder, base) for base in BASES}
    return Change(folder.name, words, check, needs, context, diffs, replaced)


def _diffs(folder: Path, base: str) -> list[Path]:
    found = [folder / f"{name}.patch" for name in ("both", base)]
    return [path for path in found if path.exists()]


def _added(feature: Feature) -> Change:
    subject, _, body = feature.message.partition("\n\n")
    words = Words(subject, body, feature.breaking, feature.changelog)
    return Change(f"{feature.letter}-{feature.name}", words, feature=feature)


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


def _log(file: Path, line: str) -> None:
    """Put a line at the top of the change log, where there is one."""
    if not file.exists():
        return
    text = file.read_text(encoding="utf-8")
    if not text.startswith(HEADING):
        raise RunFailed(f"{CHANGE_LOG} does not begin with {HEADING.strip()!r}")
    file.write_text(f"{HEADING}* {line}\n{text[len(HEADING) :]}", encoding="utf-8")
