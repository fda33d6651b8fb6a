"""What is read from run folders, broken ones too."""

import json
import math
import zlib
from pathlib import Path

import pytest
from support.compare import left

from usb_ext.comparison.records import METRICS, Record, percent_error, read_record, read_result
from usb_ext.core.files import RunFolder, sealed


def test_a_record_holds_errors_by_metric_and_the_evaluations(tmp_path: Path) -> None:
    record = read_record(RunFolder(left(tmp_path / "a", (0.7, 0.942, 0.9))))
    assert isinstance(record, Record)
    assert record.errors == {"last": 10.0, "best": 5.8, "median20": 10.0} and set(METRICS) == set(
        record.errors
    )
    assert record.evaluations == ((10, 1.0, 0.7), (20, 2.0, 0.942), (30, 3.0, 0.9))


def test_a_test_split_comes_before_the_evaluation_split(tmp_path: Path) -> None:
    outcome = {"accuracies": 0.9, "test_top1_last": 0.8, "test_top1_best": 0.85}
    record = read_record(RunFolder(left(tmp_path / "a", outcome)))
    assert isinstance(record, Record)
    assert record.errors == {"last": 20.0, "best": 15.0, "median20": 10.0}
    assert record.split == "test split"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "missing: no result.json that is whole"),
        ("{", "missing: no result.json that is whole"),
        ('{"status": "interrupted", "iterations": 7}', "interrupted after step 7"),
        ('{"status": "completed", "top1_last": 0.5}', "has no top1_best, top1_median20"),
    ],
)
def test_what_is_no_finished_run_has_a_reason(
    tmp_path: Path, content: str | None, reason: str
) -> None:
    result = left(tmp_path / "a") / "result.json"
    result.unlink()
    if content is not None:
        result.write_text(content)
    found = read_record(RunFolder(tmp_path / "a"))
    assert isinstance(found, str) and reason in found
    assert read_record(RunFolder(tmp_path / "none")) == "missing"
    assert read_result(tmp_path / "none") is None


def test_a_cut_line_of_metrics_is_passed_over(tmp_path: Path) -> None:
    path = left(tmp_path / "a", (0.7, 0.8)) / "metrics.jsonl"
    path.write_text(path.read_text() + '{"it": 30, "ti')
    record = read_record(RunFolder(tmp_path / "a"))
    assert isinstance(record, Record) and len(record.evaluations) == 2


def test_an_error_has_no_digits_of_its_own() -> None:
    assert [percent_error(a) for a in (0.942, 1.0, 0.9996, 0.0)] == [5.8, 0.0, 0.04, 100.0]


def test_a_record_that_was_changed_is_none(tmp_path: Path) -> None:
    path = left(tmp_path / "a") / "result.json"
    text = json.dumps(sealed(json.loads(path.read_text())))
    path.write_text(text)
    assert read_result(path) is not None
    path.write_text(text.replace("0.9", "0.8"))
    assert read_result(path) is None


@pytest.mark.parametrize("value", ["x", None, [], {}, math.nan, math.inf])
def test_an_accuracy_that_is_none_is_a_reason(tmp_path: Path, value: object) -> None:
    path = left(tmp_path / "a") / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "top1_best": value}))
    found = read_record(RunFolder(tmp_path / "a"))
    assert isinstance(found, str) and "top1_best" in found


def test_metrics_that_are_not_as_the_run_left_them_are_a_reason(tmp_path: Path) -> None:
    folder = left(tmp_path / "a", (0.7, 0.8))
    metrics, path = folder / "metrics.jsonl", folder / "result.json"
    record = {**json.loads(path.read_text()), "metrics_crc32": zlib.crc32(metrics.read_bytes())}
    path.write_text(json.dumps(record))
    assert isinstance(read_record(RunFolder(folder)), Record)
    metrics.write_text(metrics.read_text().replace("0.7", "0.9"))
    found = read_record(RunFolder(folder))
    assert isinstance(found, str) and "metrics.jsonl is not as the run left it" in found
    metrics.unlink()
    assert isinstance(read_record(RunFolder(folder)), Record)


@pytest.mark.parametrize("row", [b"\xff", b"3", b'["eval/top-1-acc"]', b'{"eval/top-1-acc": 0.5}',
                                 b'{"it": [], "time": 1, "eval/top-1-acc": 0.5}',
                                 b'{"it": NaN, "time": 1, "eval/top-1-acc": 0.5}'])  # fmt: skip
def test_rows_of_another_kind_are_passed_over(tmp_path: Path, row: bytes) -> None:
    path = left(tmp_path / "a", (0.7, 0.8)) / "metrics.jsonl"
    path.write_bytes(path.read_bytes() + row + b"\n")
    record = read_record(RunFolder(tmp_path / "a"))
    assert isinstance(record, Record) and len(record.evaluations) == (0 if row == b"\xff" else 2)
