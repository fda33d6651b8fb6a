"""The consistency of pseudo-labels with their neighbours': the hook, its state, and a run (AS3L, Sec. 3)."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.digit_features import features_of_digits
from support.run import assert_same_state, checkpoint_of, metrics_of, run

from usb_ext.methods.as3l.consistency import KEY, LabelConsistencyHook
from usb_ext.methods.step.base import Weak

NEAR = torch.tensor([[1, 2], [0, 2], [1, 0]])
WATCHED = torch.tensor([0, 2, 4])


def weak(classes: list[int], indices: list[int]) -> Weak:
    probs = torch.eye(5)[classes] * 0.5 + 0.1
    return Weak(probs.log(), probs, None, torch.tensor(indices))


def logged(hook: LabelConsistencyHook, evaluated: bool = True) -> dict[str, Any]:
    algorithm = SimpleNamespace(log_dict={"eval/top-1-acc": 0.5} if evaluated else {})
    hook.after_train_step(algorithm)
    return algorithm.log_dict


def test_the_last_label_of_each_example_counts() -> None:
    hook = LabelConsistencyHook(5, WATCHED, NEAR)
    assert KEY not in logged(hook)
    hook.after_weak(None, weak([3, 1, 1], [0, 2, 3]))
    assert logged(hook)[KEY] == 0.0  # 0 has class 3, 2 has class 1, 4 is not seen yet
    hook.after_weak(None, weak([1, 4], [0, 4]))
    # example 0: 1 of (2, 4) agrees; 2: 1 of (0, 4); 4: none of (2, 0)
    assert logged(hook)[KEY] == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert logged(hook, evaluated=False) == {}


def test_its_state_comes_back() -> None:
    hook, again = (LabelConsistencyHook(5, WATCHED, NEAR) for _ in range(2))
    hook.after_weak(None, weak([3, 1, 2], [0, 2, 4]))
    again.load_state_dict(hook.state_dict())
    hook.after_weak(None, weak([0], [0]))
    assert again.seen.tolist() == [3, -1, 1, -1, 2]


def test_a_run_logs_it_at_evaluations_and_resumes_bit_by_bit(tmp_path: Path) -> None:
    given = {
        "algorithm": "fixmatch", "consistency_features": str(features_of_digits(tmp_path)),
        "consistency_k": 5, "p_cutoff": 0.2, "uratio": 7, "batch_size": 4, "augment": "batched",
    }  # fmt: skip
    run(tmp_path / "whole", **given)
    run(tmp_path / "cut", stop_after=3, **given)
    run(tmp_path / "cut", resume=True, **given)
    rows = metrics_of(tmp_path / "whole")
    assert [KEY in row for row in rows] == ["eval/top-1-acc" in row for row in rows]
    assert sum(KEY in row for row in rows) == 2
    assert all(0 <= row[KEY] <= 1 for row in rows if KEY in row)
    assert rows == metrics_of(tmp_path / "cut")
    assert_same_state(checkpoint_of(tmp_path / "whole"), checkpoint_of(tmp_path / "cut"))
    plain = {k: v for k, v in given.items() if not k.startswith("consistency")}
    run(tmp_path / "plain", **plain)
    state, watched = checkpoint_of(tmp_path / "plain"), checkpoint_of(tmp_path / "whole")
    assert_same_state(state["model"], watched["model"])
