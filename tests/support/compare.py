"""A comparison whose runs are made up: what a run leaves is written, nothing is trained."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from usb_ext.comparison.methods import Order, parse_methods
from usb_ext.comparison.plan import Planned, make_plan, pair_seeds
from usb_ext.comparison.processes import Running
from usb_ext.comparison.stage import compare
from usb_ext.settings import Settings, config_sha256, load_settings, resolved_yaml

GIVEN: dict[str, object] = {
    "dataset": "digits", "num_classes": 10, "num_labels": 40, "net": "wrn_10_1", "img_size": 16,
    "num_train_iter": 100, "num_eval_iter": 10, "num_threads": 1, "label_split": "random",
}  # fmt: skip


@dataclass
class Ended:
    """A run that is over as soon as it is begun."""

    code: int = 0
    said: str = ""
    signals: list[int] = field(default_factory=list)

    def poll(self) -> int:
        return self.code

    def send(self, signal_number: int) -> None:
        self.signals.append(signal_number)

    def message(self) -> str:
        return self.said


SECONDS = 90
"""The most that a test waits for a run."""


def ended(run: Running) -> int:
    """The exit code of a run, once there is one."""
    until = time.monotonic() + SECONDS
    while (code := run.poll()) is None and time.monotonic() < until:
        time.sleep(0.02)
    assert code is not None
    return code


Outcome = float | tuple[float, ...] | Ended | dict[str, Any]


class Trainer:
    """Stands in for the training processes.

    Args:
        outcome: accuracies of a run's evaluations (or the last one, or changed fields of
            result.json, or how it fails), given the run.
    """

    def __init__(self, outcome: Callable[[Planned], Outcome]) -> None:
        self.outcome = outcome
        self.begun: list[str] = []

    def __call__(self, run: Planned, out: Path, lock: int) -> Ended:
        self.begun.append(run.name)
        outcome = self.outcome(run)
        if isinstance(outcome, Ended):
            return outcome
        leave(run.settings, outcome)
        return Ended()


def leave(settings: Settings, outcome: float | tuple[float, ...] | Mapping[str, Any]) -> None:
    """Write the folder of a completed run, evaluated every `num_eval_iter` steps, a second each."""
    changed = dict(outcome) if isinstance(outcome, Mapping) else {}
    plain = changed.pop("accuracies", 0.5) if isinstance(outcome, Mapping) else outcome
    shares = plain if isinstance(plain, tuple) else (plain,)
    folder = settings.run_dir
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(resolved_yaml(settings))
    (folder / "latest_model.pth").touch()
    rows = [
        {"it": (i + 1) * settings.num_eval_iter, "time": i + 1.0, "eval/top-1-acc": share}
        for i, share in enumerate(shares)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result: dict[str, Any] = {
        "status": "completed", "iterations": rows[-1]["it"], "seconds": float(len(rows)),
        "top1_last": shares[-1], "top1_best": max(shares), "top1_median20": sorted(shares)[len(shares) // 2],
        "config_sha256": config_sha256(settings), "commit": "abc", "versions": {"torch": "2"},
        "collapsed_classes": [], "device": "cpu: abacus, 1 threads", "dataset": settings.dataset,
        "labelled": {"class_coverage": 10, "normalised_std": 0.0},
        "best_chosen_on": "the test set",
    }  # fmt: skip
    (folder / "result.json").write_text(json.dumps({**result, **changed}))


def left(path: Path, outcome: Outcome = 0.9, **changed: object) -> Path:
    """A finished run's folder of the settings GIVEN, changed."""
    given = {**GIVEN, "save_dir": str(path.parent), "save_name": path.name}
    leave(load_settings(given, changed).settings, outcome)
    return path


def of_seed(run: Planned) -> float:
    """An accuracy that a fold and a method fix: of FlexMatch 5 points more with every seed from -5 on."""
    better = 0.05 * (run.fold.seed - 1) if run.method.label == "flexmatch" else 0.0
    return round(0.8 + 0.01 * run.fold.seed + better, 6)


def planned(
    out: Path,
    *methods: str,
    seeds: tuple[int, ...] = (0, 1),
    counts: tuple[int, ...] = (40,),
    **changed: object,
) -> list[Planned]:
    """The runs of a comparison."""
    given = {**GIVEN, **changed}
    folds = pair_seeds(list(seeds), None, load_settings(given).settings)
    return make_plan(given, parse_methods(methods), folds, counts, out)


def report_of(
    plan: list[Planned], out: Path, trainer: Trainer, order: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Run the comparison; what it says to a person goes nowhere."""
    asked = Order(**{"out": out, "about": {"command": "usb-ext compare"}, **(order or {})})
    return compare(plan, asked, start=trainer, say=len)
