"""Damaged files: every file that a folder of ours holds, and every file that a person gives.

    python tests/campaign/damage.py --n 1000 --seed 0 --json out.json

Each case takes one file out of a finished or interrupted piece of work, damages it, and runs in this process
a command that reads it. It is ok where the command ends as it would have without the damage; told where it
ends with one sentence, or the report names what it left out; failed where it raises anything else, hangs, or
ends well with another result. A text that a person writes may become another valid one by a flipped letter:
that is ok, too.
"""

import argparse
import contextlib
import io
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from campaign.damages import damaged
from campaign.kills import digest, flags, plain
from support.images import FOLDER_RUN, folder_of_images
from support.run import TINY, undrawn
from support.run import run as train_tiny
from support.ssl import TINY as TINY_SSL

from usb_ext import load_run
from usb_ext.cli.main import main as command
from usb_ext.core.errors import UsbExtError
from usb_ext.core.runtime import commit, versions

SECONDS = 20
ONE_LINE = 4000
EVERY, TOLD = 10, "told: "


class TooLong(BaseException):
    """A case took longer than it may."""


class Told(Exception):
    """The command ended with a sentence."""


class Incomplete(Exception):
    """A report that names what it has left out."""


class Said:
    """Stands for what is not there any more, which the command has said: equal to anything."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


SAID, LOST_ROWS = Said(), "before the checkpoint; the curves"


@contextmanager
def limited() -> Iterator[None]:
    """Inside, work may take so long."""

    def end(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def ran(*words: object) -> str:
    """What a command says that ends well.

    Raises:
        Told: it ends with one sentence; its text.
        AssertionError: it ends badly, and not with one sentence.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), undrawn():
        code = command([str(word) for word in words])
    if code == 1 and words[0] == "compare" and out.getvalue():
        raise Incomplete
    last = (err.getvalue().strip().splitlines() or [""])[-1]
    if code == 0:
        return out.getvalue() + err.getvalue()
    assert last.startswith("usb-ext: ") and len(last) < ONE_LINE and "Traceback" not in last, last
    raise Told(last)


RUN: dict[str, Any] = {
    **TINY, **FOLDER_RUN, "num_train_iter": 4, "epoch": 4, "num_eval_iter": 1, "img_size": 8, "num_labels": 4,
}  # fmt: skip
SSL: dict[str, Any] = {
    **{k: v for k, v in TINY_SSL.items() if k.startswith("ssl_")}, "ssl_batch_size": 8, "ssl_epochs": 2,
    "ssl_projector_dim": 8, "ssl_eval_epochs": 1, "ssl_knn": 2,
}  # fmt: skip
AS3L: dict[str, Any] = {
    **SSL, "algorithm": "as3l", "label_split": "file", "label_file": "auto", "prior_file": "auto",
    "prior_until": 2, "use_pretrain": True, "pretrain_path": "auto", "consistency_features": "auto",
    "consistency_k": 2, "as3l_tune_epochs": 1, "as3l_runs": 2, "as3l_name": "labels",
}  # fmt: skip


def train_words(place: Path, *extra: str, **changed: Any) -> list[str]:
    """`usb-ext train` on the small folder of images."""
    given = {**RUN, "data_dir": place / "images", "save_dir": place, **changed}
    return ["train", *flags(given), *extra]


def weights_of(path: Path) -> str:
    """A digest of a checkpoint's networks and step."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    return digest([plain(state[k]) for k in ("model", "ema_model", "it")])


def arrays_of(path: Path) -> str:
    """A digest of the arrays of a file."""
    with np.load(path) as found:
        return digest([(k, found[k].tobytes()) for k in sorted(found.files)])


def rows_of(path: Path) -> list[Any]:
    """The rows of a file of metrics, without the clock."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "time"} for row in rows]


def trained(run: Path) -> Any:
    """What is left of a run that has come to its end."""
    result = json.loads((run / "result.json").read_text())
    kept = [result[k] for k in ("status", "iterations", "top1_last", "top1_best")]
    return kept, weights_of(run / "latest_model.pth")


def resumed(place: Path) -> Any:
    """An interrupted run goes on; where older rows of its record are lost, that is said."""
    said = ran(*train_words(place, "--resume", save_name="cut", progress="lines"))
    run = place / "cut"
    return SAID if LOST_ROWS in said else rows_of(run / "metrics.jsonl"), *trained(run)


def opened(place: Path) -> Any:
    """`load_run` on a finished run: its network on one image, its classes, its record."""
    found = load_run(place / "whole", device="cpu")
    image = (np.arange(8 * 8 * 3) % 251).astype(np.uint8).reshape(8, 8, 3)
    with torch.no_grad():
        logits = found.network(found.transform(image)[None])["logits"]
    record = None if found.result is None else found.result.to_json()
    return logits.tolist(), found.classes, SAID if record is None else record


def compared(place: Path) -> Any:
    """`compare --from`: errors, and the runs that are left out."""
    with contextlib.suppress(Incomplete):
        ran("compare", "--from", place / "whole", place / "other", "--out", place / "report")
    made = json.loads((place / "report" / "compare.json").read_text())
    if made["left_out"]:
        raise Told(f"left out: {made['left_out']}")
    return [{k: v for k, v in run.items() if "error" in k} for run in made["runs"]]


def curves(place: Path) -> Any:
    """`curves` and the values that it draws."""
    from usb_ext.papers.found_runs import read_curve

    ran("curves", place / "whole", "--out", place / "curves.png")
    return read_curve(place / "whole" / "metrics.jsonl", "eval/top-1-acc")


def staged(place: Path) -> Any:
    """`as3l` once more, its stages there and its run not."""
    given = {
        **RUN,
        **AS3L,
        "data_dir": place / "images",
        "save_dir": place / "as3l",
        "save_name": "run",
    }
    ran("as3l", *flags(given))
    return trained(place / "as3l" / "run")


FAST = ("--runs", "1", "--tune_epochs", "0", "--threads", "1")


def selected(place: Path) -> Any:
    """`select` on a features file."""
    ran(
        "select",
        "--features",
        place / "ssl" / "features.npz",
        "--budget",
        4,
        "--out",
        place / "s",
        *FAST,
    )
    return json.loads((place / "s" / "selected.json").read_text())["ids"]


def propagated(place: Path) -> Any:
    """`propagate` on features, a choice, and a person's classes."""
    words = [
        "--features",
        place / "ssl" / "features.npz",
        "--selected",
        place / "given" / "selected.json",
    ]
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
    ran("propagate", *words, *data, "--clusters", 2, 3, "--out", place / "p", *FAST)
    return arrays_of(place / "p" / "prior.npz")


def drawn(place: Path) -> Any:
    """`tsne` on features, a choice and prior pseudo-labels."""
    words = [
        "--features",
        place / "ssl" / "features.npz",
        "--selected",
        place / "given" / "selected.json",
    ]
    ran(
        "tsne",
        *words,
        "--prior",
        place / "given" / "prior.npz",
        "--perplexity",
        2,
        "--out",
        place / "t.png",
    )
    return "drawn"


def given_to_train(**changed: str) -> Callable[[Path], Any]:
    """A run with files of a person's; each value is a name in the folder `given`."""

    def act(place: Path) -> Any:
        named = {k: place / "given" / v if "." in str(v) else v for k, v in changed.items()}
        ran(*train_words(place, save_name="new", num_train_iter=1, epoch=1, **named))
        return weights_of(place / "new" / "latest_model.pth")

    return act


def configured(place: Path) -> Any:
    """A settings file of a person's, checked; what is wrong with it is a line of the page."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = command(["check-config", str(place / "given" / "run.yaml")])
    assert said.getvalue().count("\n") <= 2, said.getvalue()
    if code:
        raise Told(said.getvalue())
    return "fine"


@dataclass(frozen=True)
class Kind:
    """Files, and the command that reads them.

    Attributes:
        files: patterns below the place.
        act: runs the command; gives what came of it.
        mine: whether our code has written the files, so that another result is a failure.
    """

    files: tuple[str, ...]
    act: Callable[[Path], Any]
    mine: bool = True


IMAGES = ("images/train/a/*.png", "images/test/b/*.png")
KINDS: dict[str, Kind] = {
    "an interrupted run, resumed": Kind(("cut/*", "cut/.*"), resumed),
    "a finished run, opened": Kind(("whole/*", "whole/.*"), opened),
    "finished runs, compared": Kind(
        ("whole/result.json", "whole/metrics.jsonl", "whole/config.yaml", "whole/data.json"), compared
    ),
    "a finished run, its curves": Kind(
        ("whole/result.json", "whole/metrics.jsonl", "whole/config.yaml"), curves
    ),
    "the stages of as3l": Kind(("as3l/*/*", "as3l/*/.*"), staged),
    "features, selected from": Kind(("ssl/features.npz",), selected),
    "features and a choice, propagated": Kind(("ssl/features.npz", "given/selected.json"), propagated, False),
    "features, drawn": Kind(("ssl/features.npz", "given/prior.npz", "given/selected.json"), drawn, False),
    "labels given as CSV": Kind(
        ("given/labels.csv",), given_to_train(label_split="file", label_file="labels.csv"), False
    ),
    "labels given as JSON": Kind(
        ("given/labels.json",), given_to_train(label_split="file", label_file="labels.json"), False
    ),
    "validation images given": Kind(("given/val.json",), given_to_train(val_index_file="val.json"), False),
    "classes given": Kind(("given/classes.txt",), given_to_train(class_list="classes.txt"), False),
    "prior pseudo-labels given": Kind(
        ("given/prior.npz",), given_to_train(algorithm="as3l", prior_file="prior.npz", prior_until="1")
    ),
    "features given to a run": Kind(
        ("given/features.npz",),
        given_to_train(consistency_features="features.npz", consistency_k="2"),
    ),
    "weights given": Kind(
        ("given/backbone.pth",), given_to_train(use_pretrain="true", pretrain_path="backbone.pth")
    ),
    "images": Kind(IMAGES, given_to_train(), False),
    "settings given": Kind(("given/run.yaml",), configured, False),
}  # fmt: skip


BEFORE_STAGES = ("whole/", "cut/", "images/")


def prepare(place: Path, *, stages: bool = True) -> None:
    """Everything that is damaged later, made once; without `stages` what runs leave alone."""
    folder_of_images(place / "images", train=8, test=3)
    changed = {
        "data_dir": str(place / "images"),
        **{k: v for k, v in RUN.items() if k != "save_name"},
    }
    ran(*train_words(place, save_name="whole"))
    ran(*train_words(place, save_name="other", seed=1))
    train_tiny(place, stop_after=2, save_name="cut", **changed)
    if not stages:
        return
    given = {
        **RUN,
        **AS3L,
        "data_dir": place / "images",
        "save_dir": place / "as3l",
        "save_name": "run",
    }
    ran("as3l", *flags(given))
    shutil.rmtree(place / "as3l" / "run")
    shutil.copytree(place / "as3l" / "ssl", place / "ssl")
    folder = place / "given"
    folder.mkdir()
    for name in ("selected.json", "prior.npz"):
        shutil.copy(place / "as3l" / "labels" / name, folder)
    for name in ("features.npz", "backbone.pth"):
        shutil.copy(place / "ssl" / name, folder)
    lines = [f"{c}/{i:03d}.png,{c}\n" for c in "ab" for i in range(2)]
    (folder / "labels.csv").write_text("image,class\n" + "".join(lines))
    (folder / "labels.json").write_text("[0, 1, 8, 9]")
    (folder / "val.json").write_text("[7, 15]")
    (folder / "classes.txt").write_text("a\nb\n")
    shutil.copy(place / "whole" / "config.yaml", folder / "run.yaml")


@dataclass
class Tally:
    """What came of the cases of a kind."""

    ok: int = 0
    told: int = 0
    said: list[str] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)

    def tell(self, sentence: str) -> None:
        """Count an end with a sentence; some are kept, to be read."""
        self.told += 1
        self.said += [sentence[:400]] if self.told % EVERY == 1 else []

    def report(self) -> dict[str, Any]:
        """For the JSON."""
        tried = self.ok + self.told + len(self.failed)
        return {
            "tried": tried,
            "ok": self.ok,
            "told": self.told,
            "failed": self.failed,
            "some": self.said,
        }


class Campaign:
    """The cases of one seed.

    Args:
        scratch: an empty folder.
        seed: of the damage.
        stages: whether files of as3l's stages are among them.
    """

    def __init__(self, scratch: Path, seed: int, stages: bool) -> None:
        self.place, self.kept = scratch / "case", scratch / "kept"
        self.rng = np.random.default_rng(seed)
        self.place.mkdir()
        prepare(self.place, stages=stages)
        shutil.copytree(self.place, self.kept, symlinks=True)
        self.wanted: dict[str, Any] = {}

    def restore(self) -> None:
        """Everything as it was made, at the same place."""
        for folder in self.place.glob("*/"):
            folder.chmod(0o755)
        shutil.rmtree(self.place)
        shutil.copytree(self.kept, self.place, symlinks=True)

    def case(self, name: str, tally: Tally) -> None:
        """One damaged file."""
        kind = KINDS[name]
        if name not in self.wanted:
            self.restore()
            self.wanted[name] = kind.act(self.place)
        self.restore()
        files = sorted({p for f in kind.files for p in self.place.glob(f) if p.is_file()})
        path = files[int(self.rng.integers(len(files)))]
        what = damaged(self.rng, path, files, pipes=name != "settings given")  # <(...) is one
        shown = f"{path.relative_to(self.place)}: {what}"
        end = self._end(kind, self.wanted[name])
        if end == "ok":
            tally.ok += 1
        elif end.startswith(TOLD):
            tally.tell(f"{shown}: {end.removeprefix(TOLD)}")
        else:
            tally.failed.append({"case": shown, "why": end})

    def _end(self, kind: Kind, wanted: Any) -> str:
        """How a case ends, in a word, or why it is none of the good ends."""
        try:
            with limited(), contextlib.redirect_stderr(io.StringIO()):
                found = kind.act(self.place)
        except Told as error:
            return f"{TOLD}{error}"
        except UsbExtError as error:
            return (
                f"{TOLD}{error}"
                if "\n" not in str(error)
                else f"not one line: {str(error)[:200]!r}"
            )
        except TooLong:
            return "hung"
        except Exception as error:  # noqa: BLE001  (that is what is looked for)
            return f"{type(error).__name__}: {str(error)[:200]!r}{_where(error)}"
        same = found == wanted
        return "ok" if same or not kind.mine else "silent: another result, and no word"


def _where(error: BaseException) -> str:
    """The last line of ours in a traceback."""
    step, last = error.__traceback__, ""
    while step is not None:
        if "usb_ext" in step.tb_frame.f_code.co_filename:
            last = f" in {Path(step.tb_frame.f_code.co_filename).name}:{step.tb_lineno}"
        step = step.tb_next
    return last


def campaign(
    n: int, seed: int, names: Mapping[str, Kind] | tuple[str, ...] = tuple(KINDS)
) -> dict[str, Any]:
    """Run `n` cases.

    Args:
        n: of all kinds together.
        seed: of the damage.
        names: of KINDS, to leave some out.

    Returns:
        Figures by kind: tried, ok, told, and each failure with its damage and its reason.
    """
    start, tallies = time.monotonic(), {name: Tally() for name in names}
    order = [
        name for name in names for _ in range(1 + 3 * any("*" in f for f in KINDS[name].files))
    ]
    with TemporaryDirectory() as scratch:
        stages = any(not f.startswith(BEFORE_STAGES) for n in names for f in KINDS[n].files)
        runner = Campaign(Path(scratch), seed, stages)
        for number in range(n):
            name = order[number % len(order)]
            runner.case(name, tallies[name])
    return {
        "campaign": "damage", "n": n, "seed": seed, "seconds": round(time.monotonic() - start, 1),
        "commit": commit(), "versions": versions(),
        "kinds": {name: tally.report() for name, tally in tallies.items()},
    }  # fmt: skip


def table(report: Mapping[str, Any]) -> str:
    """The figures for a person."""
    lines = [f"{'kind':40} {'tried':>6} {'ok':>6} {'told':>6} {'failed':>6}"]
    for name, f in report["kinds"].items():
        lines.append(f"{name:40} {f['tried']:6} {f['ok']:6} {f['told']:6} {len(f['failed']):6}")
        lines += [f"    {one['case']}: {one['why']}" for one in f["failed"]]
    return "\n".join(lines)


def main() -> int:
    """Run it; 0 where no case failed."""
    os.umask(0o022)
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1000, help="cases (1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (0)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    arguments = parser.parse_args()
    report = campaign(arguments.n, arguments.seed)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(table(report) + "\n")
    return int(any(kind["failed"] for kind in report["kinds"].values()))


if __name__ == "__main__":
    sys.exit(main())
