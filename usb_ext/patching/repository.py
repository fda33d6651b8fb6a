"""A git repository that gives the same patches on every machine: no settings of the user's, fixed names."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from usb_ext.core.errors import RunFailed, SettingsError

AUTHOR = ("Your Name", "you@example.com")
"""A placeholder for whoever sends the patches; `patches/README.md` says how to fill it."""
MAIN = "1ef4cbebcc0b368158315aeb425053858cf6c845"
"""The commit of USB's main that the series for main is made on."""
DATE = "2026-01-01T00:00:00+0000"
OPTIONS = (
    "core.abbrev=12",
    "core.autocrlf=false",
    "diff.algorithm=myers",
    "diff.noprefix=false",
    "commit.gpgsign=false",
    "init.defaultBranch=main",
)
FORMAT = ("--zero-commit", "-N", "--no-signature", "--no-renames")


class Repository:
    """A tree of USB under git: the released one, or that of main.

    Args:
        folder: an empty folder, which becomes the repository.
        released: the installed folder `semilearn`, which is copied and not changed; None: main's tree.
        clone: a clone of USB's repository that holds `MAIN`, a bare one too; it is not changed.
    """

    def __init__(self, folder: Path, released: Path | None, clone: Path | None = None) -> None:
        self.folder = folder
        if released is not None:
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(released, folder / "semilearn", ignore=ignored)
            self.git("init", "-q")
            self.commit("semilearn 0.3.2 as released")
        else:
            self._check_out(clone)
        self.base = self.git("rev-parse", "HEAD").strip()

    def _check_out(self, clone: Path | None) -> None:
        if clone is None:
            raise SettingsError(
                f"for main name a clone of USB's repository with --usb ({MAIN[:7]})"
            )
        self.folder.mkdir(parents=True)
        try:
            self.git("clone", "-q", "--shared", "--no-checkout", str(clone.resolve()), ".")
            self.git("checkout", "-q", "--detach", MAIN)
        except RunFailed as error:
            said = f"{clone} is no clone of USB's repository with the commit {MAIN[:7]}"
            raise SettingsError(f"{said}: {error}") from error

    def commit(self, message: str) -> None:
        """Commit whatever is in the folder."""
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "--cleanup=verbatim", "-m", message)

    def apply(self, patches: Sequence[Path]) -> None:
        """`git am` the patches, in order.

        Raises:
            RunFailed: one does not apply; the message names it.
        """
        for patch in patches:
            self.git("am", "-q", "--keep-non-patch", str(patch.resolve()))

    def export(self, out: Path) -> list[Path]:
        """Every commit since the base as a patch file in `out`."""
        self.git("format-patch", "-q", *FORMAT, "-o", str(out.resolve()), self.base)
        return sorted(out.glob("[0-9]*.patch"))

    def export_last(self, out: Path, number: int, context: int) -> Path:
        """The last commit as patch file `number` in `out`, with so many lines around a change."""
        words = [*FORMAT, f"-U{context}", "--start-number", str(number), "-1"]
        return Path(self.git("format-patch", *words, "-o", str(out.resolve())).strip())

    def git(self, *words: str) -> str:
        """Run git in the repository and give what it prints.

        Raises:
            SettingsError: there is no git.
            RunFailed: it fails.
        """
        options = [word for option in OPTIONS for word in ("-c", option)]
        name, mail = AUTHOR
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
            "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C",
            "GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": mail, "GIT_AUTHOR_DATE": DATE,
            "GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": mail, "GIT_COMMITTER_DATE": DATE,
        }  # fmt: skip
        try:
            done = subprocess.run(
                ["git", *options, *words],
                cwd=self.folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise SettingsError("patches are made with git, which is not installed") from error
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            raise RunFailed(f"git {words[0]} {Path(words[-1]).name} failed: {'; '.join(said[:3])}")
        return done.stdout
