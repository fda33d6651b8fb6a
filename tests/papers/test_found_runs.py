"""Which folders are runs, and what a run that cannot be read says."""

import json
import zlib
from pathlib import Path

import pytest
from support.evidence import fake_run

from usb_ext.core.errors import DataMissing
from usb_ext.core.files import sealed
from usb_ext.papers.found_runs import FoundRun, find_runs


def paths(*places: object) -> list[Path]:
    return [run.path for run in find_runs([str(place) for place in places])]


def test_runs_are_found_by_folder_parent_pattern_and_file(tmp_path: Path) -> None:
    a, b = fake_run(tmp_path / "sets" / "a", seed=0), fake_run(tmp_path / "sets" / "b", seed=1)
    (tmp_path / "sets" / "other").mkdir()
    assert paths(a) == [a]
    assert paths(tmp_path) == paths(tmp_path / "sets" / "?") == [a, b]
    assert paths(b / "result.json", a, tmp_path, b) == [b, a]


def test_a_place_without_a_run_is_named(tmp_path: Path) -> None:
    fake_run(tmp_path / "a")
    for place in (tmp_path / "nowhere", tmp_path / "x*", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(DataMissing, match=f"{place.name.replace('*', '.')}: no run there"):
            find_runs([str(tmp_path / "a"), str(place)])


def test_unfinished_runs_say_why(tmp_path: Path) -> None:
    stopped = fake_run(tmp_path / "stopped", record={"status": "interrupted"})
    killed = fake_run(tmp_path / "killed")
    (killed / "result.json").unlink()
    assert FoundRun(fake_run(tmp_path / "done")).unfinished is None
    assert "interrupted" in str(FoundRun(stopped).unfinished)
    assert "no result.json" in str(FoundRun(killed).unfinished)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{", "cannot be read"), ("[]", "has no algorithm"), ('{"top1": 1}', "has no algorithm")],
)
def test_a_broken_record_is_one_line_with_its_path(tmp_path: Path, text: str, reason: str) -> None:
    (fake_run(tmp_path / "run") / "result.json").write_text(text)
    with pytest.raises(DataMissing, match=rf"run/result.json .*{reason}") as raised:
        FoundRun(tmp_path / "run").record  # noqa: B018
    assert "\n" not in str(raised.value)


def test_settings_that_are_not_there_or_no_yaml(tmp_path: Path) -> None:
    config = fake_run(tmp_path / "run") / "config.yaml"
    config.write_text("lr: [")
    with pytest.raises(DataMissing, match="run/config.yaml:"):
        FoundRun(tmp_path / "run").settings  # noqa: B018
    config.unlink()
    with pytest.raises(DataMissing, match="run/config.yaml is missing"):
        FoundRun(tmp_path / "run").settings  # noqa: B018


def test_seeds_are_not_part_of_what_runs_have_in_common(tmp_path: Path) -> None:
    first = FoundRun(fake_run(tmp_path / "a", seed=0))
    second = FoundRun(fake_run(tmp_path / "b", seed=1, label_seed=7, save_name="elsewhere"))
    third = FoundRun(fake_run(tmp_path / "c", seed=0, lr=0.25))
    assert first.but_seeds() == second.but_seeds() != third.but_seeds()
    assert json.loads((tmp_path / "b" / "result.json").read_text())["seed"] == 1
    assert (second.settings["seed"], second.settings["label_seed"]) == (1, 7)


def test_a_record_or_metrics_that_were_changed_are_named(tmp_path: Path) -> None:
    folder = fake_run(tmp_path / "a")
    record, metrics = folder / "result.json", folder / "metrics.jsonl"
    metrics.write_text('{"it": 1, "eval/top-1-acc": 0.5}\n')
    content = {**json.loads(record.read_text()), "metrics_crc32": zlib.crc32(metrics.read_bytes())}
    record.write_text(json.dumps(sealed(content)))
    assert FoundRun(folder).curve("eval/top-1-acc") == {1: 0.5}
    metrics.write_text('{"it": 1, "eval/top-1-acc": 0.6}\n')
    with pytest.raises(DataMissing, match="metrics.jsonl is not as the run left it"):
        FoundRun(folder).curve("eval/top-1-acc")
    record.write_text(record.read_text().replace('"num_labels": ', '"num_labels": 1'))
    with pytest.raises(DataMissing, match="not those that were written"):
        _ = FoundRun(folder).record
