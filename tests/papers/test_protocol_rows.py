"""What `compare --paper` runs is what `table` takes: each row's run stands in its row."""

from pathlib import Path

import pytest
from support.evidence import fake_run

import usb_ext
from usb_ext.comparison.plan import Fold, Planned, make_plan
from usb_ext.papers.found_runs import FoundRun
from usb_ext.papers.placing import place
from usb_ext.papers.rows import TRAINED, cells_of, experiment
from usb_ext.settings.algorithms import carriers
from usb_ext.settings.shipped import shipped_files
from usb_ext.settings.sources import read_yaml

CELLS = [(table, cell) for table in TRAINED for cell in cells_of(table)]
OTHERS_WEIGHTS = ("as3l-4",)
"""Initial weights that no stage of ours has made, and of which nothing says how."""

SAID = ("(paper: not said)", "RandAugment (paper: CTAugment)", "on cpu", "self_supervised None")
"""What may be said of a run with our settings files."""

HEX = "a" * 64


def finished(run: Planned, table: str, folder: Path) -> FoundRun:
    """A planned run as it would be found when it is through, its files made by their stages."""
    s = run.settings
    by_stage = s.label_split == "file"
    stage = {"as3l_strategy": s.as3l_strategy, "seed": 0, "features": HEX}
    files = ("label_file", "prior_file") if by_stage else ()
    record = {
        "base": s.active_base if s.algorithm in carriers() else None,
        "extensions": list(s.active_extensions),
        "selection": s.as3l_strategy if by_stage else s.label_split,
        "self_supervised": "simsiam" if s.use_pretrain and table not in OTHERS_WEIGHTS else None,
        "made_from": {n: {"sha256": HEX, "made_with": stage} for n in files if getattr(s, n)},
        "val_top1_last": 0.5, "top5_last": 0.5, "seconds": 3600.0, "device": "cpu", "versions": {},
    }  # fmt: skip
    rows = [{"it": 1, "time": 1.0, "eval/top-1-acc": 0.75}]
    return FoundRun(fake_run(folder, record=record, rows=rows, **s.model_dump(mode="json")))


@pytest.mark.parametrize(("table", "cell"), CELLS)
def test_every_row_stands_where_it_belongs(tmp_path: Path, table: str, cell: str) -> None:
    found = experiment(table, cell)
    file = read_yaml(shipped_files()[found.file])
    count = found.num_labels or file["num_labels"]
    plan = make_plan(file, found.methods, [Fold(0, 0)], [count], tmp_path, dict(found.settings))
    runs = {run.method.label: finished(run, table, tmp_path / run.name) for run in plan}
    cells = usb_ext.published(table)
    for label, run in runs.items():
        placed = place(cells, [run, *runs.values()], "paper")
        assert run.path not in placed.left_out, (label, placed.left_out[run.path])
    alone = place(cells, list(runs.values()), "paper")
    labels = {", ".join(filter(None, [cells[n].method, cells[n].setting])) for n in alone.ours}
    assert set(runs) <= labels
    marks = {one for ours in alone.ours.values() for one in ours.differs.split(", ") if one}
    assert {one for one in marks if not any(said in one for said in SAID)} == set()
