"""Commands that die, by `kill -9`, at random times and at their file events; then the same command again.

    python tests/campaign/kills.py --n 400 --seed 0 --json out.json

Each case runs a command in a fork of this process, kills it, and gives the same command once more. It is ok
where that command ends with 0, leaves the bits of a command that was never killed, and leaves nothing else.
Where a run is replaced, a whole checkpoint must be there at the moment of death.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from support.kills import dying
from support.run import TINY
from support.ssl import TINY as TINY_SSL

import usb_ext.as3l.workflow
import usb_ext.training.train  # noqa: F401  (once, before the forks)
from usb_ext.cli.main import main as command
from usb_ext.core.runtime import commit, versions
from usb_ext.engine.seal import is_whole

SHORT = {"algorithm": "fixmatch", "num_train_iter": 4, "num_eval_iter": 1, "epoch": 1}
AS3L: dict[str, Any] = {
    **TINY_SSL, "algorithm": "as3l", "label_split": "file", "label_file": "auto", "prior_file": "auto",
    "prior_until": 2, "use_pretrain": True, "pretrain_path": "auto", "consistency_features": "auto",
    "consistency_k": 5, "ssl_epochs": 2, "as3l_tune_epochs": 1, "as3l_runs": 2, "img_size": 16,
    "augment": "batched",
}  # fmt: skip
IN_USE, MOST_WAITS = "is in use", 120
TIMED = frozenset(("seconds", "bytes", "crc", "settings", "time"))


@dataclass(frozen=True)
class Kind:
    """A command that is killed.

    Attributes:
        share: of all cases.
        words: of the command, given its folder.
        at_events: whether it dies at a file event; otherwise at a random time.
        before: words of a command that has run in the folder before; () for none.
    """

    share: float
    words: Callable[[str], list[str]]
    at_events: bool = True
    before: Callable[[str], list[str]] | None = None


@dataclass
class Tally:
    """What came of the cases of a kind."""

    tried: int = 0
    failed: list[dict[str, str]] = field(default_factory=list)


def flags(settings: Mapping[str, Any]) -> list[str]:
    """Settings as words of a command line."""
    return [word for name, value in settings.items() for word in (f"--{name}", str(value))]


def train_words(folder: str, *extra: str, **changed: Any) -> list[str]:
    """`usb-ext train` on a tiny run."""
    return ["train", *flags({**TINY, **SHORT, "save_dir": folder, **changed}), *extra]


def as3l_words(folder: str) -> list[str]:
    """`usb-ext as3l` on tiny stages."""
    return ["as3l", *flags({**TINY, **SHORT, **AS3L, "save_dir": folder})]


def compare_words(folder: str) -> list[str]:
    """`usb-ext compare` of two methods, two at a time."""
    given = {k: v for k, v in {**TINY, **SHORT}.items() if k not in ("algorithm", "save_name")}
    methods = ["--methods", "fixmatch", "flexmatch", "--seeds", "0", "--jobs", "2"]
    return ["compare", *methods, "--out", f"{folder}/out", *flags(given)]


KINDS = {
    "train, at a file event": Kind(0.46, lambda f: train_words(f, "--resume")),
    "train, at a random time": Kind(0.2, lambda f: train_words(f, "--resume"), at_events=False),
    "train with workers, at a random time": Kind(
        0.1, lambda f: train_words(f, "--resume", num_workers=2), at_events=False
    ),
    "train --overwrite, at a file event": Kind(
        0.1,
        lambda f: train_words(f, "--overwrite"),
        before=lambda f: train_words(f, seed=5),
    ),
    "as3l, at a file event": Kind(0.12, as3l_words),
    "compare, at a random time": Kind(0.02, compare_words, at_events=False),
}


def forked(words: Sequence[str], log: Path, at: int | None, folder: Path, events: Path) -> int:
    """Begin a command in a fork that dies at a file event; gives the process."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setsid()
        said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for place in (1, 2):
            os.dup2(said, place)
        with dying(folder, at, lambda: os.kill(os.getpid(), signal.SIGKILL)) as counted:
            code = command(list(words))
        events.write_text(json.dumps(counted.events))
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """Wait for a process; its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Campaign:
    """The cases of one seed.

    Args:
        scratch: an empty folder.
        seed: of the deaths.
    """

    def __init__(self, scratch: Path, seed: int) -> None:
        self.scratch, self.random = scratch, random.Random(seed)
        self.wholes: dict[str, tuple[dict[str, str], int, float]] = {}
        self.number = 0

    def place(self) -> Path:
        """A new folder."""
        self.number += 1
        folder = self.scratch / f"case{self.number}"
        folder.mkdir()
        return folder

    def run(self, words: Sequence[str], folder: Path, at: int | None = None) -> tuple[int, str]:
        """A command to its end: exit code and what it said."""
        log, events = self.scratch / "said.txt", self.scratch / "events.json"
        code = ended(forked(words, log, at, folder, events))
        return code, log.read_text(errors="replace")

    def whole(self, name: str) -> tuple[dict[str, str], int, float]:
        """What a command leaves that is not killed, how many events it has, and its seconds."""
        if name not in self.wholes:
            kind, folder = KINDS[name], self.place()
            self.prepare(kind, folder)
            start = time.monotonic()
            code, said = self.run(kind.words(str(folder)), folder)
            if code:
                raise SystemExit(f"{name} does not run at all: {said[-300:]}")
            seconds = time.monotonic() - start
            count = len(json.loads((self.scratch / "events.json").read_text()))
            self.wholes[name] = outcome(folder), count, seconds
        return self.wholes[name]

    def prepare(self, kind: Kind, folder: Path) -> None:
        """Run what has been in the folder before."""
        if kind.before is not None and self.run(kind.before(str(folder)), folder)[0]:
            raise SystemExit("the command before does not run")

    def case(self, name: str) -> dict[str, str] | None:
        """One death and the command again; None where all is well."""
        kind, (wanted, count, seconds) = KINDS[name], self.whole(name)
        folder = self.place()
        words = kind.words(str(folder))
        self.prepare(kind, folder)
        if kind.at_events:
            at = self.random.randrange(count)
            death = f"event {at}"
            self.run(words, folder, at)
        else:
            wait = self.random.uniform(0, seconds)
            death = f"after {wait:.3f} s"
            log, events = self.scratch / "said.txt", self.scratch / "events.json"
            child = forked(words, log, None, folder, events)
            time.sleep(wait)
            os.kill(child, signal.SIGKILL)
            ended(child)
        if kind.before is not None and not any(map(is_whole, folder.glob("*/latest_model.pth"))):
            return {"death": death, "why": "lost: no whole checkpoint"}
        code, said = self.again(words, folder)
        if code:
            return {"death": death, "why": f"stuck: exit {code}: {said.strip()[-200:]}"}
        differing = sorted(
            k for k, v in {**wanted, **outcome(folder)}.items() if wanted.get(k) != v
        )
        missing = sorted(set(wanted) - set(outcome(folder)))
        if differing or missing:
            return {"death": death, "why": f"differs: {differing} missing: {missing}"}
        return None

    def again(self, words: Sequence[str], folder: Path) -> tuple[int, str]:
        """The command once more; it waits for processes that the dead one left behind."""
        for _ in range(MOST_WAITS):
            code, said = self.run(words, folder)
            if code == 0 or IN_USE not in said:
                break
            time.sleep(0.5)
        return code, said


def outcome(folder: Path) -> dict[str, str]:
    """A digest of what a command has made, file by file, without seconds; left-overs by their names."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = str(path.relative_to(folder))
        if path.suffix == ".pth":
            state = torch.load(path, map_location="cpu", weights_only=True)
            found[name] = digest(plain(state))
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                found[name] = digest([(k, arrays[k].tobytes()) for k in sorted(arrays.files)])
        elif path.name == "metrics.jsonl":
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            found[name] = digest([{k: v for k, v in r.items() if k not in TIMED} for r in rows])
        elif path.name == "result.json":
            record = json.loads(path.read_text())
            found[name] = digest([record[k] for k in ("status", "top1_last", "top1_best")])
        elif path.name != "damaged_model.pth":
            found[name] = "there"
    return found


def plain(value: Any) -> Any:
    """A state as values with a fixed text, without what hangs on the clock."""
    if isinstance(value, torch.Tensor):
        return value.dtype, tuple(value.shape), value.contiguous().numpy().tobytes()
    if isinstance(value, dict):
        return [(k, plain(v)) for k, v in value.items() if k not in TIMED]
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def digest(value: Any) -> str:
    """Sixteen digits that tell values apart."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]


def shares(n: int) -> Iterator[tuple[str, int]]:
    """How many cases of each kind; each at least one."""
    for name, kind in KINDS.items():
        yield name, max(1, round(n * kind.share))


def campaign(n: int, seed: int, names: Sequence[str] = tuple(KINDS)) -> dict[str, Any]:
    """Run about `n` cases.

    Args:
        n: of all kinds together.
        seed: of the deaths.
        names: of KINDS, to leave some out.

    Returns:
        Figures by kind: tried, ok, and each failure with its death and its reason.
    """
    start, tallies = time.monotonic(), {name: Tally() for name in names}
    with TemporaryDirectory() as scratch:
        runner = Campaign(Path(scratch), seed)
        for name, count in shares(n):
            for _ in range(count if name in names else 0):
                failure = runner.case(name)
                tallies[name].tried += 1
                if failure is not None:
                    tallies[name].failed.append(failure)
    kinds = {
        name: {"tried": t.tried, "ok": t.tried - len(t.failed), "failed": t.failed}
        for name, t in tallies.items()
    }
    return {
        "campaign": "kills", "n": n, "seed": seed, "seconds": round(time.monotonic() - start, 1),
        "commit": commit(), "versions": versions(), "kinds": kinds,
    }  # fmt: skip


def table(report: Mapping[str, Any]) -> str:
    """The figures for a person."""
    lines = [f"{'kind':40} {'tried':>6} {'ok':>6} {'failed':>6}"]
    for name, found in report["kinds"].items():
        lines.append(f"{name:40} {found['tried']:6} {found['ok']:6} {len(found['failed']):6}")
        lines += [f"    {f['death']}: {f['why']}" for f in found["failed"]]
    return "\n".join(lines)


def main() -> int:
    """Run it; 0 where every case is ok."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=400, help="cases (400)")
    parser.add_argument("--seed", type=int, default=0, help="of the deaths (0)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    arguments = parser.parse_args()
    report = campaign(arguments.n, arguments.seed)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(table(report) + "\n")
    return int(any(kind["failed"] for kind in report["kinds"].values()))


if __name__ == "__main__":
    sys.exit(main())
