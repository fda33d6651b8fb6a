"""True classes among the neighbours in the features as training moves them (AS3L, Sec. 3, Fig. 2)."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.run import assert_same_state, checkpoint_of, metrics_of, run
from torch import nn

from usb_ext.core.errors import SettingsError
from usb_ext.methods.as3l.consistency import START_KEY, TRAINED_KEY, TrainedConsistencyHook

POINTS = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0], [1.0, -0.1]])
CLASSES = torch.tensor([0, 0, 1, 0, 1])


class Moved(nn.Module):
    """Features that are its table's rows; inputs are their numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.table = POINTS.clone()

    def forward(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"feat": self.table[rows]}


def running(net: nn.Module, batches: list[dict[str, torch.Tensor]], statistics: str) -> Any:
    """What the hook reads of a run."""
    args = SimpleNamespace(bn_statistics=statistics)
    ema = SimpleNamespace(copy_buffers=lambda: None)
    return SimpleNamespace(
        ema_model=net, loader_dict={"eval": batches}, device=torch.device("cpu"), it=0, log_dict={},
        args=args, ema=ema,
    )  # fmt: skip


def test_the_share_follows_the_features_and_the_start_stays() -> None:
    """One neighbour each: 0-1 (or 0-4 at the same angle), 1-0, 2-3, 3-2, 4-0.

    Of 0's two neighbours at one angle the hook may take either; 0.1 is made 0.05 so that 1 is the nearer:
    then 0 and 1 agree, 2, 3 and 4 do not: 2 of 5. With 2 and 3 beside their own: 3 to 0's side, ...
    """
    net = Moved()
    net.table[1, 1] = 0.05
    batches = [{"x_lb": torch.arange(5), "y_lb": CLASSES}]
    made = running(net, batches, "running")
    hook = TrainedConsistencyHook(1)
    hook.before_train_step(made)
    hook.after_train_step(made)
    assert made.log_dict == {}
    made.it, made.log_dict = 1, {"eval/top-1-acc": 0.5}
    hook.before_train_step(made)
    net.table[3] = torch.tensor(
        [1.0, 0.01]
    )  # class 0, now nearest to 0 of class 0, and 4 far from all
    net.table[4] = torch.tensor([0.01, 1.0])  # class 1, now beside 2 of class 1
    hook.after_train_step(made)
    assert made.log_dict[START_KEY] == pytest.approx(2 / 5)
    assert made.log_dict[TRAINED_KEY] == pytest.approx(1.0)
    again = TrainedConsistencyHook(1)
    again.load_state_dict(hook.state_dict())
    assert again.start == hook.start and net.training


class Normed(nn.Module):
    """Features are the inputs, divided by batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2, affine=False, momentum=0.001)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"feat": self.norm(x)}


def by_hand(values: np.ndarray, classes: np.ndarray) -> float:
    """Share of rows whose nearest other by cosine is of their class."""
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -2)
    return float(np.mean(classes[cosine.argmax(axis=1)] == classes))


def test_it_looks_with_the_statistics_that_a_run_is_judged_by(tmp_path: Path) -> None:
    """Far from 0 all angles are alike: which neighbour is nearest depends on the mean that is taken off."""
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1], 32)
    values = rng.normal(size=(64, 2)) + 20 + 2.0 * classes[:, None] * [1, -1]
    batches = [{"x_lb": torch.tensor(values).float(), "y_lb": torch.tensor(classes)}]
    centred = (values - values.mean(axis=0)) / np.sqrt(values.var(axis=0, ddof=1) + 1e-5)
    wanted = {"running": by_hand(values, classes), "fresh": by_hand(centred, classes)}
    assert abs(wanted["running"] - wanted["fresh"]) > 0.02
    for statistics, share in wanted.items():
        made = running(Normed(), batches, statistics)
        made.args.bn_images = 64
        made.dataset_dict = {"train_ulb": None, "train_lb": range(64)}
        made.args.parts = SimpleNamespace(sample=batches)
        assert TrainedConsistencyHook(1).measured(made) == pytest.approx(share)
        assert made.ema_model.norm.running_mean.abs().max() == 0, "training goes on with its own"


def test_a_run_logs_it_resumes_and_ends_as_without(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "algorithm": "fixmatch", "num_train_iter": 4, "num_eval_iter": 2, "augment": "batched",
    }  # fmt: skip
    watch = {"trained_consistency": True, "consistency_k": 5}
    run(tmp_path / "whole", **given, **watch)
    run(tmp_path / "cut", stop_after=2, **given, **watch)
    run(tmp_path / "cut", resume=True, **given, **watch)
    rows = [row for row in metrics_of(tmp_path / "whole") if "eval/top-1-acc" in row]
    assert len(rows) == 2 and len({row[START_KEY] for row in rows}) == 1
    assert all(0 < row[TRAINED_KEY] < 1 for row in rows)
    assert metrics_of(tmp_path / "cut") == metrics_of(tmp_path / "whole")
    run(tmp_path / "plain", **given)
    assert_same_state(
        checkpoint_of(tmp_path / "plain")["model"], checkpoint_of(tmp_path / "whole")["model"]
    )
    with pytest.raises(SettingsError, match="consistency_k is 500, but there are 500 test images"):
        run(tmp_path / "few", **given, trained_consistency=True, consistency_k=500)
