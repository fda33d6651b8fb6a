"""Which runs a comparison consists of, and which of them are there already."""

from pathlib import Path

import pytest
from support.compare import GIVEN, leave, planned

from usb_ext.comparison.methods import parse_methods
from usb_ext.comparison.plan import (
    Failures,
    Fold,
    completed,
    make_plan,
    pair_seeds,
    refuse_other_settings,
)
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.settings import load_settings


@pytest.mark.parametrize(
    ("seeds", "label_seeds", "given", "folds"),
    [
        ([0, 1], None, {}, [(0, 0), (1, 1)]),
        ([0, 1], None, {"label_seed": 7}, [(7, 0), (7, 1)]),
        (None, [4, 5], {"seed": 2}, [(4, 4), (5, 5)]),
        (None, None, {"seed": 2}, [(2, 2)]),
        (None, None, {"seed": 2, "label_seed": 3}, [(3, 2)]),
        ([0, 1], [4, 5], {"label_seed": 9}, [(4, 0), (5, 1)]),
        ([0, 1], [4], {}, [(4, 0), (4, 1)]),
        ([0], [4, 5], {}, [(4, 0), (5, 0)]),
    ],
)
def test_seeds_and_label_seeds_make_folds(
    seeds: list[int] | None,
    label_seeds: list[int] | None,
    given: dict[str, object],
    folds: list[tuple[int, int]],
) -> None:
    """Written here as (label seed, training seed)."""
    assert list(pair_seeds(seeds, label_seeds, load_settings(given).settings)) == folds


@pytest.mark.parametrize(
    ("seeds", "label_seeds", "said"),
    [([0, 1, 2], [0, 1], "3 values and --label-seeds 2"), ([0, 0], None, "a fold twice")],
)
def test_seeds_that_make_no_folds(seeds: list[int], label_seeds: list[int], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        pair_seeds(seeds, label_seeds, load_settings({}).settings)


def test_a_fold_names_what_it_takes() -> None:
    assert (str(Fold(3, 3)), str(Fold(3, 1))) == ("3", "labels 3, seed 1")


def test_the_plan_is_finished_fold_by_fold(tmp_path: Path) -> None:
    plan = planned(tmp_path, "uda", "a=uda:T=0.7", seeds=(0, 5), counts=(20, 40))
    assert [run.name for run in plan] == [
        f"{method}_n{n}_l{s}_s{s}" for n in (20, 40) for s in (0, 5) for method in ("uda", "a")
    ]
    last = plan[-1]
    assert (last.settings.T, last.settings.num_labels, last.settings.label_seed) == (0.7, 40, 5)
    assert last.folder.path == tmp_path / "runs" / last.name


def test_a_run_never_starts_from_a_checkpoint_that_the_file_names(tmp_path: Path) -> None:
    run = planned(tmp_path, "uda", seeds=(0,), load_path="elsewhere.pth", resume=False)[0]
    assert (run.settings.load_path, run.settings.resume) == (None, True)


def test_settings_that_a_method_cannot_take_name_the_method(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="method 'vat': extensions is"):
        planned(tmp_path, "uda", "vat", extensions=["grad_relu"])


def test_what_is_to_be_said_of_the_settings_is_kept(tmp_path: Path) -> None:
    plan = make_plan({**GIVEN, "clip": 1}, parse_methods(["uda"]), [Fold(0, 0)], [40], tmp_path)
    assert "clip" in plan[0].warnings[0]


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
    with pytest.raises(DataMissing, match="cannot be read"):
        Failures(tmp_path / "failed.json")
