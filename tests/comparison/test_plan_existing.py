"""What is read from run folders, broken ones too, and comparisons of runs that were found."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.compare import GIVEN, leave, planned

from usb_ext.comparison.found import found_entries
from usb_ext.comparison.methods import Order
from usb_ext.comparison.plan import Failures, completed, refuse_other_settings
from usb_ext.comparison.records import METRICS, Record, percent_error, read_record, read_result
from usb_ext.comparison.stage import report
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.files import RunFolder
from usb_ext.settings import load_settings


def left(path: Path, outcome: Any = 0.9, **changed: object) -> Path:
    """A finished run's folder."""
    settings = load_settings(
        {**GIVEN, "save_dir": str(path.parent), "save_name": path.name}, changed
    )
    leave(settings.settings, outcome)
    return path


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
        (None, "missing: no readable result.json"),
        ("{", "missing: no readable result.json"),
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


def test_a_folder_without_readable_settings_is_refused(tmp_path: Path) -> None:
    run = planned(tmp_path, "uda", seeds=(0,))[0]
    leave(run.settings, 0.5)
    refuse_other_settings([run])
    assert completed(run)
    (run.folder.path / "result.json").write_text("{}")
    refuse_other_settings([run])
    assert not completed(run)
    run.folder.config.write_text("seed: [")
    with pytest.raises(SettingsError, match="its settings cannot be read"):
        refuse_other_settings([run])


def test_failures_are_of_the_settings_they_happened_with(tmp_path: Path) -> None:
    failures = Failures(tmp_path / "failed.json")
    run, changed = (planned(tmp_path, "uda", seeds=(0,), lr=lr)[0] for lr in (0.1, 0.2))
    failures.add(run, "not finite")
    again = Failures(tmp_path / "failed.json")
    assert (again.reason(run), again.reason(changed)) == ("not finite", None)
    again.forget(run)
    assert Failures(tmp_path / "failed.json").reason(run) is None
    (tmp_path / "failed.json").write_text("{")
    with pytest.raises(DataMissing, match="cannot be read .* delete it"):
        Failures(tmp_path / "failed.json")


def test_found_runs_are_grouped_by_their_settings(tmp_path: Path) -> None:
    paths = [
        left(tmp_path / "a", 0.7, algorithm="uda", T=0.5, seed=0),
        left(tmp_path / "b", 0.8, algorithm="uda", T=0.9, seed=0),
        left(tmp_path / "c", 0.6, algorithm="uda", T=0.5, seed=1, num_threads=2),
        left(tmp_path / "d", 0.9, algorithm="uda", T=0.9, seed=1),
        left(tmp_path / "e", 0.9, algorithm="fixmatch", seed=1, lr=0.5),
        left(tmp_path / "f", 0.5, algorithm="fixmatch", seed=0, lr=0.5),
    ]
    entries, methods, differing = found_entries(paths)
    assert list(methods) == ["uda:T=0.5", "uda:T=0.9", "fixmatch"]
    assert methods["uda:T=0.9"] == {"algorithm": "uda", "settings": {"T": 0.9}}
    assert differing == ["lr differs: 0.03 (uda:T=0.5), 0.03 (uda:T=0.9), 0.5 (fixmatch)"]
    about = {"command": "usb-ext compare", "methods": methods, "differing": differing}
    made = report(entries, Order(tmp_path / "out", about=about))
    by_method = made["comparisons"][0]["metrics"]["last"]
    assert by_method["uda:T=0.5"]["errors"] == [30.0, 40.0]
    assert by_method["fixmatch"]["gain"]["values"] == [-20.0, 30.0]
    assert differing[0] in made["page"] and made["left_out"] == []
    assert json.loads((tmp_path / "out" / "compare.json").read_text())["methods"] == methods


def test_a_fold_found_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="are runs of the same settings, layermatch on fold 0"):
        found_entries([left(tmp_path / "a"), left(tmp_path / "b")])


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is no run folder"):
        found_entries([tmp_path])


def test_from_takes_folders_above_runs_and_patterns(tmp_path: Path) -> None:
    """Two seeds of one method; a pre-training beside them is no run."""
    from usb_ext.cli.main import main

    for seed in (0, 1):
        given = {**GIVEN, "algorithm": "fixmatch", "seed": seed, "label_seed": seed}
        place = {"save_dir": str(tmp_path / "runs"), "save_name": f"s{seed}"}
        leave(load_settings({**given, **place}).settings, 0.5 + seed / 10)
    other = tmp_path / "runs" / "simsiam"
    other.mkdir()
    for name in ("metrics.jsonl", "pretrain.json"):
        (other / name).touch()
    tables = []
    for places in (["runs"], ["runs/s*"], ["runs/s0", "runs/s1"], ["runs", "runs/s1"]):
        named = [str(tmp_path / place) for place in places]
        assert main(["compare", "--from", *named, "--out", str(tmp_path / "out")]) == 0
        tables.append((tmp_path / "out" / "compare.csv").read_text())
    assert tables[0].count("\nfixmatch,40,") == 2 and len(set(tables)) == 1
    assert main(["compare", "--from", str(tmp_path / "none"), "--out", str(tmp_path)]) == 3
