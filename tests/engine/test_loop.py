"""The loop on an algorithm without a network: epochs as marks, checkpoints that are due, the wish to stop."""

import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from usb_ext.core.errors import Interrupted
from usb_ext.core.files import RunFolder
from usb_ext.engine import loop
from usb_ext.engine.loop import Loop
from usb_ext.engine.parts import Stop


class Numbers:
    """A training loader: step t serves `10 t` under its name."""

    def __init__(self, name: str, count: int) -> None:
        self.name, self.count = name, count
        self.batch_sampler = SimpleNamespace(start_iter=0)

    def __iter__(self) -> Iterator[dict[str, int]]:
        for it in range(self.batch_sampler.start_iter, self.count):
            yield {self.name: 10 * it}


class Run(Loop):
    """Seven steps, three an epoch, a checkpoint every second one; what happens is written down."""

    def __init__(self, folder: Path, it: int = 0) -> None:
        self.it, self.num_train_iter, self.num_iter_per_epoch = it, 7, 3
        self.checkpoint_iter, self.best_is_new = 2, False
        self.args = SimpleNamespace(parts=SimpleNamespace(stop=Stop()))
        self.folder = RunFolder(folder)
        self.model = torch.nn.Linear(1, 1)
        self.loader_dict = {"train_lb": Numbers("x_lb", 7), "train_ulb": Numbers("x_ulb", 9)}
        self.told: list[Any] = []
        self.saved: list[int] = []

    def call_hook(self, name: str) -> None:
        self.told.append((name, self.it))

    def process_batch(self, **batch: int) -> dict[str, int]:
        return batch

    def train_step(self, **batch: int) -> tuple[dict[str, int], dict[str, int]]:
        self.told.append(batch)
        return {}, {}

    def save(self) -> None:
        self.saved.append(self.it)
        self.best_is_new = False

    def when(self, name: str) -> list[int]:
        """The values of `it` at which hooks were called by a name."""
        return [entry[1] for entry in self.told if isinstance(entry, tuple) and entry[0] == name]


def test_epochs_are_marks_on_the_way(tmp_path: Path) -> None:
    """Steps 0 to 6 in epochs of three: the last has one step, and no end."""
    run = Run(tmp_path)
    run.train()
    assert run.when("before_train_epoch") == [0, 3, 6]
    assert run.when("after_train_epoch") == [3, 6]
    assert run.when("before_train_step") == run.when("after_train_step") == list(range(7))
    assert run.told[:4] == [
        ("before_train_epoch", 0),
        ("before_train_step", 0),
        {"x_lb": 0, "x_ulb": 0},
        ("after_train_step", 0),
    ]
    assert run.told[-1] == ("after_run", 7)


def test_a_checkpoint_every_so_many_steps_at_a_new_best_and_at_the_end(tmp_path: Path) -> None:
    run, original = Run(tmp_path), Run.call_hook

    def call_hook(name: str) -> None:
        original(run, name)
        run.best_is_new |= name == "after_train_step" and run.it == 2  # found in the third step

    run.call_hook = call_hook  # type: ignore[method-assign]
    run.train()
    assert run.saved == [2, 3, 4, 6, 7]


@pytest.mark.parametrize(("it", "due"), [(0, False), (1, True), (2, False), (5, True), (6, True)])
def test_the_running_step_knows_whether_it_ends_with_a_checkpoint(
    tmp_path: Path, it: int, due: bool
) -> None:
    run = Run(tmp_path, it)
    assert run.checkpoint_due() is due
    run.args.parts.stop.requested = signal.SIGINT
    assert run.checkpoint_due()


def test_it_goes_on_where_it_stands_and_adds_further_entries(tmp_path: Path) -> None:
    run = Run(tmp_path, it=5)
    run.extra_batch = lambda: {"further": run.it}  # type: ignore[method-assign]
    run.train_steps()
    batches = [entry for entry in run.told if isinstance(entry, dict)]
    assert batches == [
        {"x_lb": 50, "x_ulb": 50, "further": 5},
        {"x_lb": 60, "x_ulb": 60, "further": 6},
    ]
    assert run.when("before_train_epoch") == [6] and run.saved == [6, 7]


def test_without_unlabelled_images_a_step_has_labelled_ones_alone(tmp_path: Path) -> None:
    run = Run(tmp_path)
    del run.loader_dict["train_ulb"]
    assert list(run.batches()) == [{"x_lb": 10 * it} for it in range(7)]


def test_a_wish_to_stop_ends_it_after_the_step_with_a_checkpoint(tmp_path: Path) -> None:
    run, original = Run(tmp_path), Run.train_step

    def train_step(**batch: int) -> Any:
        run.args.parts.stop.requested = signal.SIGTERM if run.it == 4 else 0
        return original(run, **batch)

    run.train_step = train_step  # type: ignore[method-assign]
    with pytest.raises(Interrupted, match="stopped after step 5 of 7.*latest_model.pth") as caught:
        run.train()
    assert caught.value.exit_code == 128 + signal.SIGTERM
    assert run.saved == [2, 4, 5] and run.when("on_stop") == [5] and run.when("after_run") == []


class Scored(Loop):
    """Tells which weights and which epoch it was evaluated with."""

    def __init__(self, fails: bool = False) -> None:
        self.model, self.ema_model = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
        self.epoch, self.num_iter_per_epoch, self.fails = 5, 4, fails
        self.ema = SimpleNamespace(copy_buffers=lambda: None)

    def weights(self) -> tuple[float, float]:
        return self.model.weight.item(), self.ema_model.weight.item()

    def evaluate(self, split: str) -> dict[str, Any]:
        if self.fails:
            raise RuntimeError("out of memory")
        return {"split": split, "weights": self.weights(), "epoch": self.epoch}


def saved(it: int) -> dict[str, Any]:
    def part(value: float) -> dict[str, torch.Tensor]:
        return {"weight": torch.tensor([[value]]), "bias": torch.zeros(1)}

    return {"it": it, "model": part(8.0), "ema_model": part(9.0)}


@pytest.mark.parametrize(("it", "epoch"), [(0, 0), (4, 0), (5, 1), (8, 1)])
def test_saved_weights_are_scored_in_their_epoch_and_the_runs_own_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, it: int, epoch: int
) -> None:
    """Of four steps an epoch, a checkpoint after step 4 is the end of the first one."""
    monkeypatch.setattr(loop.checkpoint, "read", lambda path: saved(it))
    (tmp_path / "best.pth").touch()
    run = Scored()
    own = run.weights()
    found = run.evaluate_saved(tmp_path / "best.pth", "test")
    assert found == {"split": "test", "weights": (8.0, 9.0), "epoch": epoch}
    assert run.weights() == own and run.epoch == 5
    run.fails = True
    with pytest.raises(RuntimeError, match="out of memory"):
        run.evaluate_saved(tmp_path / "best.pth", "test")
    assert run.weights() == own and run.epoch == 5


def test_without_a_better_checkpoint_a_run_is_scored_as_it_is(tmp_path: Path) -> None:
    run = Scored()
    assert run.evaluate_saved(tmp_path / "none.pth", "eval")["weights"] == run.weights()
