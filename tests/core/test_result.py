"""The record of a run: its keys, and the summary of its evaluations."""

import json
from dataclasses import fields

import pytest

from usb_ext.core.result import RunResult, evaluation_summary

# The keys that users of `result.json` are promised.
PROMISED = """algorithm base extensions dataset num_labels seed label_seed iterations seconds it_per_s
device top1_last top1_best top1_median20 f1_last precision_last recall_last collapsed_classes params
versions commit config_sha256 status""".split()
SUMMARY = {
    "top1_last", "top1_best", "top1_median20", "f1_last", "precision_last", "recall_last", "top5_last",
}  # fmt: skip


def history(*top1: float) -> list[dict[str, float]]:
    return [
        {
            "it": 10 * i,
            "eval/top-1-acc": accuracy,
            "eval/F1": accuracy + 1,
            "eval/precision": accuracy + 2,
            "eval/recall": accuracy + 3,
        }
        for i, accuracy in enumerate(top1)
    ]


def test_last_best_and_scores_of_the_last() -> None:
    assert evaluation_summary(history(0.25, 0.75, 0.5)) == {
        "top1_last": 0.5,
        "top1_best": 0.75,
        "top1_median20": 0.5,
        "f1_last": 1.5,
        "precision_last": 2.5,
        "recall_last": 3.5,
        "top5_last": None,
    }
    rows = [{**row, "eval/top-5-acc": row["eval/top-1-acc"] + 0.25} for row in history(0.25, 0.5)]
    assert evaluation_summary(rows)["top5_last"] == 0.75


@pytest.mark.parametrize(
    ("top1", "median"),
    [
        ([0.3], 0.3),
        ([0.25, 0.75], 0.5),
        # Twenty-two evaluations: the first two are left out, ten of the others are 1/4 and ten 1/2.
        ([1.0, 1.0, *[0.25, 0.5] * 10], 0.375),
        ([0.0, *[0.5] * 9, *[1.0] * 11], 1.0),
    ],
)
def test_the_median_runs_over_the_last_twenty(top1: list[float], median: float) -> None:
    assert evaluation_summary(history(*top1))["top1_median20"] == pytest.approx(median)


def test_without_an_evaluation_there_are_no_scores() -> None:
    summary = evaluation_summary([])
    assert set(summary) == SUMMARY
    assert set(summary.values()) == {None}


def test_the_summary_fills_fields_of_the_result() -> None:
    assert set(evaluation_summary(history(0.5))) == SUMMARY
    assert SUMMARY < {f.name for f in fields(RunResult)}


def test_the_result_is_json_with_the_promised_keys() -> None:
    given = {f.name: f.name for f in fields(RunResult)}
    given |= {"extensions": ["grad_relu"], "labelled": {"counts": [1, 2]}, "commit": None}
    result = RunResult(**given)  # type: ignore[arg-type]
    read = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert read == given
    assert set(PROMISED) <= set(read)


def test_a_record_comes_back_from_json() -> None:
    given = {f.name: f.name for f in fields(RunResult)}
    result = RunResult(**given)  # type: ignore[arg-type]
    read = json.loads(json.dumps(result.to_json()))
    assert RunResult.from_json({**read, "of a later version": 1}) == result
    later = ("unlabelled", "calibration", "instability", "top5_last", "selection", "made_from")
    older = RunResult.from_json({name: v for name, v in read.items() if name not in later})
    assert (older.unlabelled, older.calibration, older.instability) == ({}, None, None)
    assert (older.top5_last, older.selection, older.made_from) == (None, None, {})
    del read["seed"], read["algorithm"]
    with pytest.raises(ValueError, match=r"^it has no algorithm, seed$"):
        RunResult.from_json(read)
