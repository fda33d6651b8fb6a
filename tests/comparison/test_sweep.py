"""A grid of settings: its cells, and the best one, which validation images alone choose."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.compare import GIVEN, Trainer, leave

from usb_ext.comparison import stage
from usb_ext.comparison.asked import Asked, planned
from usb_ext.comparison.methods import Given
from usb_ext.comparison.plan import Planned
from usb_ext.comparison.stage import resolved_plan
from usb_ext.comparison.sweep import (
    HELD_OUT,
    NOTHING,
    OWN_SPLIT,
    Cell,
    best_cell,
    cells_of,
    parse_grid,
    read_cells,
    sweep_asked,
)
from usb_ext.core.errors import Interrupted, SettingsError

AXES = {"lr": ("0.01", "0.03"), "p_cutoff": ("0.9", "0.95")}


def test_a_grid_is_written_as_on_the_command_line() -> None:
    assert parse_grid(["lr=0.01,0.03", "p-cutoff=0.9, 0.95"]) == AXES
    methods = cells_of(AXES, "fixmatch")
    assert [method.label for method in methods] == [
        "lr=0.01,p_cutoff=0.9",
        "lr=0.01,p_cutoff=0.95",
        "lr=0.03,p_cutoff=0.9",
        "lr=0.03,p_cutoff=0.95",
    ]
    assert methods[1].slug == "lr-0.01-p_cutoff-0.95" and methods[1].algorithm == "fixmatch"
    assert methods[2].values == {"lr": 0.03, "p_cutoff": 0.9}


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([], "sweep needs --grid"),
        (["lr"], "--grid holds 'lr'"),
        (["lr="], "--grid holds 'lr='"),
        (["lr=0.1,,0.2"], "--grid holds"),
        (["lr=0.1", "lr=0.2"], "names 'lr' twice"),
        (["lr=0.1,0.1"], "names 'lr=0.1,0.1' twice"),
        (["seed=0,1"], "--grid sets seed"),
        (["algorithm=uda,fixmatch"], "--grid sets algorithm"),
    ],
)
def test_what_is_no_grid_is_refused(texts: list[str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse_grid(texts)


def test_a_setting_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="--grid: .*lrr"):
        cells_of({"lrr": ("1",)}, "fixmatch")


def cell(label: str, *validation: float, test: float = 0.0, missing: tuple[str, ...] = ()) -> Cell:
    errors = {str(seed): error for seed, error in enumerate(validation)}
    return Cell(
        label, (label,), errors, {str(s): test for s in range(max(1, len(errors)))}, missing
    )


def test_the_best_cell_is_best_on_validation_images_and_whole() -> None:
    """The test split would choose b, and a mean over the seeds that are there would choose c."""
    a, b = cell("a", 10.0, 14.0, test=30.0), cell("b", 13.0, 12.0, test=1.0)
    c = cell("c", 2.0, missing=("1",))
    assert best_cell([b, a, c]) == a
    assert best_cell([b, cell("d", 12.5, 12.5)]) == b, "the first of two that are alike"
    assert best_cell([cell("e"), c]) is None


def asked(out: Path, **changed: Any) -> Asked:
    given = {**GIVEN, "algorithm": "fixmatch", "num_val": 50}
    return Asked(cells_of(AXES, "fixmatch"), Given(given, {}), seeds=(0, 1), out=out, **changed)


Outcome = Callable[[str, int], dict[str, Any]]


def outcome(label: str, seed: int) -> dict[str, Any]:
    """Validation prefers the first cell, the test split the last."""
    better = 0.02 * [m.label for m in cells_of(AXES, "fixmatch")].index(label)
    return {"accuracies": 0.8 + better + 0.01 * seed, "val_top1_last": 0.9 - better - 0.01 * seed}


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    trainer = Trainer(lambda run: outcome(run.method.label, run.fold.seed))
    original = stage.compare

    def compare(plan: list[Planned], order: Any, **named: Any) -> Any:
        return original(plan, order, start=trainer, **named)

    monkeypatch.setattr(stage, "compare", compare)
    return trainer


def test_a_sweep_runs_its_cells_and_says_on_what_it_chose(tmp_path: Path, trained: Trainer) -> None:
    said: list[str] = []
    made, out = sweep_asked(asked(tmp_path), AXES, said.append)
    assert out == tmp_path and len(trained.begun) == 8 and not any("num_val N" in s for s in said)
    assert made["best"] == "lr=0.01,p_cutoff=0.9" and made["chosen_on"] == HELD_OUT
    first = made["cells"][0]
    assert first["validation"] == {"0": 10.0, "1": 11.0} and first["test"] == {"0": 20.0, "1": 19.0}
    assert "Best cell: **lr=0.01,p_cutoff=0.9**, 10.50 ± 0.71 % error" in made["page"]
    assert f"Chosen on {HELD_OUT}." in made["page"]
    files = {path.name for path in tmp_path.glob("sweep.*")}
    assert files == {"sweep.json", "sweep.md", "sweep.csv", "sweep.png", "sweep.svg"}
    assert (tmp_path / "compare.json").is_file()
    again, _ = sweep_asked(asked(tmp_path), AXES, said.append)
    assert again == made and len(trained.begun) == 8


def test_without_validation_images_no_cell_is_named(tmp_path: Path, trained: Trainer) -> None:
    trained.outcome = lambda run: 0.8
    said: list[str] = []
    want = asked(tmp_path)
    want.given.file.pop("num_val")
    made, _ = sweep_asked(want, AXES, said.append)
    assert made["best"] is None and made["chosen_on"] == NOTHING
    assert "No cell is named best" in made["page"] and "test split" in made["page"]
    assert "--num_val N" in said[0]


def test_a_validation_split_of_the_data_sets_own_chooses_too(tmp_path: Path) -> None:
    """Where a test split is apart, the evaluated one is a validation split; errors of both are told."""
    want = asked(tmp_path)
    for run in resolved_plan(planned(want)[0]):
        leave(run.settings, {"accuracies": 0.7, "test_top1_last": 0.6, "test_top1_best": 0.6})
    cells, chosen_on = read_cells(want, AXES)
    assert chosen_on == OWN_SPLIT
    assert cells[0].validation == {"0": 30.0, "1": 30.0} and cells[0].test == {"0": 40.0, "1": 40.0}


def test_a_cell_with_a_run_less_is_named_and_not_best(tmp_path: Path) -> None:
    want = asked(tmp_path)
    for run in resolved_plan(planned(want)[0])[1:]:
        leave(run.settings, outcome(run.method.label, run.fold.seed))
    cells, _ = read_cells(want, AXES)
    assert cells[0].missing == ("0",)
    best = best_cell(cells)
    assert best is not None and best.label == "lr=0.01,p_cutoff=0.95"


def test_ctrl_c_leaves_the_page_of_what_is_finished_where_jobs_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from usb_ext.comparison import sweep
    from usb_ext.comparison.cluster import Cluster

    def compare(want: Asked, say: object) -> Any:
        for run in resolved_plan(planned(want)[0])[:4]:
            leave(run.settings, outcome(run.method.label, run.fold.seed))
        raise Interrupted("jobs go on", 2)

    monkeypatch.setattr(sweep, "compare_asked", compare)
    with pytest.raises(Interrupted):
        sweep_asked(asked(tmp_path, cluster=Cluster("slurm")), AXES, len)
    assert "no run that can be used for seed 1" in (tmp_path / "sweep.md").read_text()
