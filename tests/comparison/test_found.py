"""Comparisons of runs that are there already: how they are grouped, and what is refused."""

import json
from pathlib import Path

import pytest
from support.compare import left

from usb_ext.comparison.found import found_entries
from usb_ext.comparison.methods import Order
from usb_ext.comparison.stage import report
from usb_ext.core.errors import SettingsError
from usb_ext.core.files import sealed
from usb_ext.core.runtime import versions


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


def test_batch_norm_of_own_rows_is_a_method_for_each_number_of_processes(tmp_path: Path) -> None:
    """On one process it is nothing, so that run is of the method that normalises whole batches."""
    off = {"algorithm": "uda", "sync_bn": False}
    paths = [
        left(tmp_path / "a", 0.7, algorithm="uda", seed=0),
        left(tmp_path / "b", {"bn_processes": [1]}, **off, seed=1),
        left(tmp_path / "c", {"bn_processes": [2]}, **off, seed=0),
        left(tmp_path / "d", {"bn_processes": [4]}, **off, seed=0),
    ]
    entries, methods, _ = found_entries(paths)
    assert list(methods) == [
        "uda:sync_bn=True", "uda:sync_bn=off on 2 processes", "uda:sync_bn=off on 4 processes",
    ]  # fmt: skip
    assert [e.path.name for e in entries if e.method == "uda:sync_bn=True"] == ["a", "b"]


def test_a_fold_found_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="are runs of the same settings, layermatch on fold 0"):
        found_entries([left(tmp_path / "a"), left(tmp_path / "b")])


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is no run folder"):
        found_entries([tmp_path])


def test_a_run_whose_settings_were_changed_is_left_out(tmp_path: Path) -> None:
    """Its record knows the digest of those that it was trained with."""
    folder, other = left(tmp_path / "a", seed=0), left(tmp_path / "b", seed=1)
    path = folder / "result.json"
    path.write_text(json.dumps(sealed({**json.loads(path.read_text()), "versions": versions()})))
    assert all(entry.record is not None for entry in found_entries([folder, other])[0])
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("\nlr: ", "\nlr: 1"))
    changed = next(e for e in found_entries([folder, other])[0] if e.path == folder)
    assert changed.record is None and "config.yaml is not what the run" in changed.reason
