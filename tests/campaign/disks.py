"""Disks and places that fail: full ones, read-only ones, odd names, files and pipes where others are needed.

    python tests/campaign/disks.py --n 200 --seed 0 --json out.json

Each case runs a command in a fork of this process against a place that does not do what it should. It is ok
where the command ends well and its output lies at that place, told where it ends with one sentence. It failed
where it says anything else, hangs, changes a file of somebody else's, or where the same command does not end
well once the place is in order again.
"""

import argparse
import builtins
import contextlib
import errno
import io
import json
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pytest
import torch
from campaign.damage import FAST, ONE_LINE, RUN, SSL, Tally, flags, prepare, table, train_words
from support.kills import CHANGES, Killer, _counted
from support.run import undrawn

import usb_ext.as3l.workflow
import usb_ext.training.train  # noqa: F401
from usb_ext.cli.main import main as command
from usb_ext.core.runtime import commit, versions

SECONDS = 60
NOBODY = 65534


class FullDisk(Killer):
    """A disk that takes no more from some file event on; names may still go away and be exchanged."""

    FREE = ("unlink", "rmdir", "replace", "rename", "ftruncate")

    def event(self, what: str, place: object) -> None:
        """Something is about to change."""
        if isinstance(place, int):
            with contextlib.suppress(OSError):
                place = os.readlink(f"/proc/self/fd/{place}")
        if not str(place).startswith(self.folder) or what in self.FREE:
            return
        self.events.append(what)
        if self.at is not None and self._is_due():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place))


@contextmanager
def full(folder: Path, at: int | None) -> Iterator[FullDisk]:
    """Inside, the disk below a folder is full from event `at` on; None counts only."""
    disk = FullDisk(folder, at)
    with pytest.MonkeyPatch.context() as patch:
        for name in CHANGES:
            patch.setattr(os, name, _counted(disk, name, getattr(os, name)))
        patch.setattr(builtins, "open", disk.opened(builtins.open))
        patch.setattr(io, "open", disk.opened(io.open))
        patch.setattr(torch, "save", disk.saved(torch.save))
        yield disk


Words = Callable[[Path, str], list[Any]]
"""The words of a command, given what was made before and the place that it writes to."""


def _features(place: Path) -> list[Any]:
    return ["--features", place / "ssl" / "features.npz"]


def _propagate(place: Path, out: str) -> list[Any]:
    data = [
        "--dataset",
        "imagefolder",
        "--data_dir",
        place / "images",
        "--img_size",
        8,
        "--num_classes",
        2,
    ]
    chosen = ["--selected", place / "given" / "selected.json", "--clusters", 2]
    return ["propagate", *_features(place), *chosen, *data, "--out", out, *FAST]


def _pretrain(place: Path, out: str) -> list[Any]:
    given = {**RUN, **SSL, "data_dir": place / "images", "save_dir": out, "ssl_epochs": 1}
    return ["pretrain", *flags(given)]


def _short(place: Path, out: str, *extra: str) -> list[Any]:
    return train_words(place, *extra, save_dir=out, num_train_iter=2, epoch=2)


COMMANDS: dict[str, Words] = {
    "train": _short,
    "train --resume": lambda place, out: _short(place, out, "--resume"),
    "pretrain": _pretrain,
    "pretrain --resume": lambda place, out: [*_pretrain(place, out), "--resume"],
    "select": lambda p, out: ["select", *_features(p), "--budget", 4, "--out", out, *FAST],
    "propagate": _propagate,
    "tsne": lambda p, out: ["tsne", *_features(p), "--perplexity", 2, "--out", f"{out}/t.png"],
    "compare --from": lambda p, out: ["compare", "--from", p / "whole", p / "other", "--out", out],
}
PLAIN = {"train", "train --resume", "pretrain", "pretrain --resume", "compare --from"}
"""Commands that read no file of a stage."""

WRONG = (
    "file",
    "pipe",
    "link to nowhere",
    "link to itself",
    "link to a file",
    "link",
    "below a file",
)
TAKEN = ("result.json", "selected.json", "prior.npz", "t.png", "compare.json", "metrics.jsonl")
NAMES = (
    "with space", "é ü 漢字", "emoji-🚀", "a'b\"c", "a\nb", "a\tb", "-dash", "--flag", "%s{}$HOME", "[a]*?",
    "x" * 255, "x" * 256, "x" * 300, "é" * 200, "nul\0byte", "bytes\udce9", "~nobody_here", ".", "..",
    ".hidden", "trailing.", "a/" * 2100 + "b", " ", "CON", "a\\b", "#x", "a=b", "null", "1e3",
)  # fmt: skip


@dataclass
class Case:
    """A place and what is done about it.

    Attributes:
        out: what the command is told to write to.
        at: the file event from which the disk is full.
        limit: bytes that a file may have.
        user: whether the command runs as somebody without rights.
        shown: for the record.
        again: whether the same command must end well afterwards.
    """

    out: str
    shown: str
    at: int | None = None
    limit: int | None = None
    user: bool = False
    again: bool = False


class Campaign:
    """The cases of one seed.

    Args:
        scratch: an empty folder.
        seed: of the places.
        commands: of COMMANDS.
    """

    def __init__(self, scratch: Path, seed: int, commands: Sequence[str]) -> None:
        self.commands = tuple(commands)
        self.scratch, self.rng, self.number = scratch, np.random.default_rng(seed), 0
        self.made = scratch / "made"
        self.made.mkdir()
        scratch.chmod(0o755)
        prepare(self.made, stages=not {*commands} <= PLAIN)
        self.events: dict[str, int] = {}

    def run(self, words: Sequence[Any], case: Case, count: Path | None = None) -> tuple[int, str]:
        """A command in a fork: its exit code and what it said on stderr."""
        log = self.scratch / "said.txt"
        child = os.fork()
        if not child:
            code = 70
            try:
                said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(said, 1)
                os.dup2(said, 2)
                sys.stdout, sys.stderr = (_stream(place) for place in (1, 2))
                signal.alarm(SECONDS)
                code = self._child(words, case, count)
            except BaseException as error:  # noqa: BLE001  (a fork must not go on as its parent)
                os.write(
                    2, f"Traceback {type(error).__name__}: {error}\n".encode("utf-8", "replace")
                )
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return code, log.read_text(errors="replace")

    def _child(self, words: Sequence[Any], case: Case, count: Path | None) -> int:
        if case.limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (case.limit, case.limit))
        if case.user:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.environ["HOME"] = "/nonexistent"
        os.chdir(self.scratch)
        scope = (
            full(Path(case.out), case.at)
            if case.at is not None or count
            else contextlib.nullcontext()
        )
        with undrawn(), scope as disk:
            code = command([str(word) for word in words])
        if count is not None and disk is not None:
            count.write_text(str(len(disk.events)))
        return code

    def place(self) -> Path:
        """A new folder with somebody's files in it and a place below it."""
        self.number += 1
        folder = self.scratch / f"case{self.number}"
        (folder / "theirs").mkdir(parents=True)
        (folder / "theirs" / "letter.txt").write_text("kept")
        return folder

    def full_disk(self, name: str, folder: Path) -> Case:
        """Nothing more is taken from a random event on."""
        out = str(folder / "out")
        if name not in self.events:
            count = self.scratch / "count.txt"
            code, said = self.run(COMMANDS[name](self.made, out), Case(out, ""), count)
            if code:
                raise SystemExit(f"{name} does not run at all: {said[-300:]}")
            self.events[name] = int(count.read_text())
            shutil.rmtree(out)
        at = int(self.rng.integers(self.events[name]))
        return Case(out, f"full from event {at} on", at=at, again=True)

    def small_files(self, name: str, folder: Path) -> Case:
        """A limit of bytes a file, as a quota or an old file system has."""
        limit = int(2 ** self.rng.uniform(12, 19))  # what it says goes to a file, too
        return Case(str(folder / "out"), f"files of {limit} bytes at most", limit=limit, again=True)

    def read_only(self, name: str, folder: Path) -> Case:
        """A folder of somebody else's, for a user without rights in it."""
        out = folder / "out"
        if self.rng.random() < 0.5:
            out.mkdir(mode=0o755)
        return Case(str(out), "read-only", user=True)

    def wrong_kind(self, name: str, folder: Path) -> Case:
        """A file, a pipe, or a link where a folder is needed."""
        chosen = WRONG[int(self.rng.integers(len(WRONG)))]
        out = folder / "out"
        if chosen == "file":
            out.write_text("theirs")
        elif chosen == "pipe":
            os.mkfifo(out)
        elif chosen == "below a file":
            out = folder / "theirs" / "letter.txt" / "out"
        elif chosen == "link":
            (folder / "real").mkdir()
            out.symlink_to(folder / "real")
        else:
            to = {"link to nowhere": "nowhere", "link to itself": "out"}
            target = to.get(chosen, "theirs/letter.txt")
            out.symlink_to(folder / target)
        return Case(str(out), chosen)

    def taken_inside(self, name: str, folder: Path) -> Case:
        """A place where a name that the command needs is a folder, a pipe, or a file of somebody's."""
        out = folder / "out"
        inner = out / "run" if name.startswith("train") else out
        inner.mkdir(parents=True)
        chosen = TAKEN[int(self.rng.integers(len(TAKEN)))]
        kind = ("a folder", "a pipe", "a file")[int(self.rng.integers(3))]
        if kind == "a folder":
            (inner / chosen).mkdir()
        elif kind == "a pipe":
            os.mkfifo(inner / chosen)
        else:
            (inner / chosen).write_text("theirs")
        return Case(str(out), f"{chosen} is {kind}")

    def odd_name(self, name: str, folder: Path) -> Case:
        """A name that a shell, a page or a file system takes for something else."""
        chosen = NAMES[int(self.rng.integers(len(NAMES)))]
        return Case(f"{folder}/{chosen}", f"name {chosen[:20]!r}")

    def case(self, kind: str, tally: Tally) -> None:
        """One place and one command."""
        folder = self.place()
        name = self.commands[int(self.rng.integers(len(self.commands)))]
        case: Case = KINDS[kind](self, name, folder)
        before = contents(folder)
        words = COMMANDS[name](self.made, case.out)
        code, said = self.run(words, case)
        why = self._wrong(code, said)
        after = contents(folder)
        lost = sorted(k for k, v in before.items() if after.get(k) != v)
        if lost:
            why = f"lost: {lost}"
        if not why and not code and case.at is None and not os.path.exists(case.out):
            why = "ends well, and nothing is there"
        if not why and code and case.again:
            resumed = f"{name} --resume"  # it may have a checkpoint
            words = COMMANDS.get(resumed, COMMANDS[name])(self.made, case.out)
            code_again, said = self.run(words, Case(case.out, ""))
            why = f"stuck: {said.strip()[-300:]}" if code_again else ""
        if why:
            tally.failed.append({"case": f"{name}, {case.shown}", "why": why})
        elif code:
            tally.tell(f"{name}, {case.shown}: {said.strip().splitlines()[-1]}")
        else:
            tally.ok += 1

    def _wrong(self, code: int, said: str) -> str:
        """What is wrong with an end; empty where nothing is."""
        if code == 0:
            return ""
        last = (said.strip().splitlines() or [""])[-1]
        if code < 0 or "Traceback" in said:
            return f"exit {code}: {said.strip()[-400:]}"
        if not last.startswith("usb-ext: ") or len(last) > ONE_LINE:
            return f"exit {code}, no sentence: {last[-300:]!r}"
        return ""


def _stream(place: int) -> TextIO:
    """A stream of a process's own, as `usb_ext.cli.main.entry` has it."""
    return open(place, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def contents(folder: Path) -> dict[str, str]:
    """Somebody's files and what stands in them; what a command has made counts only where it was there."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.exists():
            found[str(path)] = "link"
        elif path.is_file() and path.stat().st_size < 10:
            found[str(path)] = path.read_text(errors="replace")
        elif not path.is_dir():
            found[str(path)] = "there"
    return found


KINDS: dict[str, Callable[[Campaign, str, Path], Case]] = {
    "a disk that is full": Campaign.full_disk,
    "a limit of bytes a file": Campaign.small_files,
    "a folder that is read-only": Campaign.read_only,
    "a file or link where a folder is needed": Campaign.wrong_kind,
    "a name that is taken": Campaign.taken_inside,
    "an odd name": Campaign.odd_name,
}


def campaign(
    n: int,
    seed: int,
    names: Sequence[str] = tuple(KINDS),
    commands: Sequence[str] = tuple(COMMANDS),
) -> dict[str, Any]:
    """Run `n` cases.

    Args:
        n: of all kinds together, in turn; the full disk has three turns.
        seed: of the places.
        names: of KINDS, to leave some out.
        commands: of COMMANDS, likewise.

    Returns:
        Figures by kind: tried, ok, told, and each failure with its place and its reason.
    """
    start, tallies = time.monotonic(), {name: Tally() for name in names}
    order = [name for name in names for _ in range(3 if "full" in name else 1)]
    with TemporaryDirectory() as scratch:
        runner = Campaign(Path(scratch), seed, commands)
        for number in range(n):
            name = order[number % len(order)]
            runner.case(name, tallies[name])
    return {
        "campaign": "disks", "n": n, "seed": seed, "seconds": round(time.monotonic() - start, 1),
        "commit": commit(), "versions": versions(),
        "kinds": {name: tally.report() for name, tally in tallies.items()},
    }  # fmt: skip


def main() -> int:
    """Run it; 0 where no case failed."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=200, help="cases (200)")
    parser.add_argument("--seed", type=int, default=0, help="of the places (0)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    arguments = parser.parse_args()
    report: Mapping[str, Any] = campaign(arguments.n, arguments.seed)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(table(report) + "\n")
    return int(any(kind["failed"] for kind in report["kinds"].values()))


if __name__ == "__main__":
    sys.exit(main())
