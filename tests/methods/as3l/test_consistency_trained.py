"""True classes among the neighbours in the features as training moves them (AS3L, Sec. 3, Fig. 2)."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

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


def test_the_share_follows_the_features_and_the_start_stays() -> None:
    """One neighbour each: 0-1 (or 0-4 at the same angle), 1-0, 2-3, 3-2, 4-0.

    Of 0's two neighbours at one angle the hook may take either; 0.1 is made 0.05 so that 1 is the nearer:
    then 0 and 1 agree, 2, 3 and 4 do not: 2 of 5. With 2 and 3 beside their own: 3 to 0's side, ...
    """
    net = Moved()
    net.table[1, 1] = 0.05
    batches = [{"x_lb": torch.arange(5), "y_lb": CLASSES}]
    made: Any = SimpleNamespace(
        ema_model=net, loader_dict={"eval": batches}, device=torch.device("cpu"), it=0, log_dict={}
    )
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
