"""The largest drop of a run: against loops, by hand, from the hook, and in a whole run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.run import metrics_of, run

from usb_ext.engine.hooks.score import ScoreHook, largest_drop

SUPPORT = np.array([50, 50, 40])
FULL = [50, 45, 45]


def test_by_hand() -> None:
    """Best 0.9 at evaluation 2, lowest 0.6 at 4, where class 1 is predicted 4 times of 50."""
    accuracies = np.array([0.5, 0.7, 0.9, 0.8, 0.6, 0.85])
    predicted = np.array([FULL, FULL, [68, 70, 2], FULL, [134, 4, 2], FULL])
    found = largest_drop(accuracies, predicted, SUPPORT)
    assert found is not None
    assert found.size == pytest.approx(0.3)
    assert (found.best, found.lowest) == (2, 4)
    assert found.collapsed == [1, 2] and found.emptied == [1]  # class 2 was empty before


@pytest.mark.parametrize("accuracies", [[], [0.4], [0.1, 0.2, 0.2, 0.3]])
def test_no_drop(accuracies: list[float]) -> None:
    assert largest_drop(np.array(accuracies), np.array([FULL] * len(accuracies)), SUPPORT) is None


@pytest.mark.parametrize("seed", range(20))
def test_against_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    accuracies = rng.integers(0, 8, 12) / 8  # coarse, so that there are ties
    predicted = rng.integers(0, 12, (12, 3))
    size, lowest = 0.0, None
    for i in range(12):
        if max(accuracies[: i + 1]) - accuracies[i] > size:
            size, lowest = max(accuracies[: i + 1]) - accuracies[i], i
    found = largest_drop(accuracies, predicted, SUPPORT)
    if lowest is None:
        assert found is None
        return
    assert found is not None and (found.size, found.lowest) == (size, lowest)
    best = max(i for i in range(lowest) if accuracies[i] == max(accuracies[:lowest]))
    assert found.best == best
    for c in range(3):
        empty = predicted[:, c] < SUPPORT[c] / 10
        assert (c in found.collapsed) == empty[lowest]
        assert (c in found.emptied) == (empty[lowest] and not empty[best])


def test_the_hook_names_steps_and_goes_on_where_it_stood() -> None:
    hook = ScoreHook()
    assert hook.instability() is None
    hook.history = [
        {"it": 10 * (i + 1), "eval/top-1-acc": a} for i, a in enumerate([0.5, 0.8, 0.4])
    ]
    hook.predicted = [FULL, FULL, [140, 0, 0]]
    hook.confusion = [[50, 0, 0], [50, 0, 0], [40, 0, 0]]
    fresh = ScoreHook()
    fresh.load_state_dict(json.loads(json.dumps(hook.state_dict())))
    found = fresh.instability()
    assert found == {
        "largest_drop": pytest.approx(0.4), "it": 30, "top1": 0.4, "best_it": 20, "best_top1": 0.8,
        "emptied_classes": [1, 2], "collapsed_classes": [1, 2],
    }  # fmt: skip


def test_a_run_records_it_and_says_it_last(tmp_path: Path) -> None:
    """Learning rate and steps are such that accuracy goes up and down."""
    given: dict[str, Any] = {"algorithm": "fixmatch", "num_eval_iter": 1, "lr": 0.3, "ema_m": 0.0}
    given["augment"] = "batched"
    whole = run(tmp_path / "whole", **given)
    assert run(tmp_path / "cut", stop_after=5, **given) is None
    resumed = run(tmp_path / "cut", resume=True, **given)
    assert whole is not None and resumed is not None and whole.instability is not None
    assert resumed.instability == whole.instability
    rows = metrics_of(tmp_path / "whole")
    top1 = [row["eval/top-1-acc"] for row in rows]
    drops = [max(top1[: i + 1]) - a for i, a in enumerate(top1)]
    assert whole.instability["largest_drop"] == pytest.approx(max(drops)) and max(drops) > 0
    assert whole.instability["it"] == rows[drops.index(max(drops))]["it"]
    last = (tmp_path / "whole" / "run" / "log.txt").read_text().splitlines()[-1]
    assert "largest drop from the running best" in last
