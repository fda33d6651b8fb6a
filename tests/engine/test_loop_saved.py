"""Saved weights are scored as they were: with their own averages, with the head of their epoch."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from support.run import SIX, UNBALANCED, checkpoint_of, run

from usb_ext.data.arrays import load_digits_arrays
from usb_ext.training import run_data
from usb_ext.training import train as stage
from usb_ext.upstream.nets import wrn_10_1


def accuracy_of(state: dict[str, torch.Tensor], images: slice) -> float:
    """Accuracy of a network's weights on some of the test images, computed here."""
    arrays = load_digits_arrays(16)
    raw = torch.from_numpy(arrays.test_images[images]).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (arrays.mean, arrays.std))
    network = wrn_10_1(num_classes=10).eval()
    network.load_state_dict(state)
    with torch.no_grad():
        predicted = network((raw - mean) / std)["logits"].argmax(dim=1)
    return float((predicted.numpy() == arrays.test_targets[images]).mean())


def test_test_accuracy_is_that_of_the_best_weights_with_their_own_averages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """USB loads the best network but keeps the last averages (issue 258)."""
    original = run_data.prepare

    def with_test_split(*given: Any) -> Any:
        data = original(*given)
        halves = {"eval": slice(0, 250), "test": slice(250, None)}
        whole, parts = data.datasets["eval"], {}
        for name, part in halves.items():
            parts[name] = type(whole)(
                whole.alg, whole.data[part], whole.targets[part], 10, whole.transform
            )
        return dataclasses.replace(data, datasets={**data.datasets, **parts})

    monkeypatch.setattr(run_data, "prepare", with_test_split)
    result = run(
        tmp_path, algorithm="mixmatch", **{**SIX, "num_eval_iter": 1, "lr": 0.3, "ema_m": 0.5}
    )
    best, last = checkpoint_of(tmp_path, "model_best.pth"), checkpoint_of(tmp_path)
    assert result is not None and best["it"] < last["it"]
    assert result.test_top1_best == accuracy_of(best["ema_model"], slice(250, None))
    assert result.test_top1_last == accuracy_of(last["ema_model"], slice(250, None))
    mixed = {**best["model"], **{k: v for k, v in last["ema_model"].items() if "running" not in k}}
    assert result.test_top1_best != accuracy_of(mixed, slice(250, None)), "the case shows nothing"
    assert "apart from the test split" in result.best_chosen_on


@pytest.mark.parametrize("imbalanced", ["cossl", "tras"])
def test_saved_weights_are_scored_with_the_head_of_their_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imbalanced: str
) -> None:
    """Both predict with a second head from epoch 1 on; step 3 ends epoch 0."""
    kept: list[Any] = []
    original = stage.make_result
    monkeypatch.setattr(stage, "make_result", lambda a, *r: kept.append(a) or original(a, *r))
    run(
        tmp_path, algorithm="fixmatch", imb_algorithm=imbalanced, **SIX, **UNBALANCED,
        cossl_warm_epoch=1, cossl_tfe_warm_bs=8, tras_warmup_epochs=1,
    )  # fmt: skip
    algorithm, folder = kept[0], tmp_path / "run"
    history = algorithm.hooks_dict["EvaluationHook"].history
    for name, row in (("previous_model.pth", history[0]), ("latest_model.pth", history[1])):
        scores = algorithm.evaluate_saved(folder / name, "eval")
        assert {**scores, "it": row["it"]} == row
    assert {**algorithm.evaluate("eval"), "it": 6} == history[1]
