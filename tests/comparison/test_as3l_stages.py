"""Comparisons whose runs need what AS3L's stages make (AS3L, Table 5)."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.run import TINY as TINY_RUN
from support.run import undrawn
from support.ssl import TINY as TINY_SSL

from usb_ext.cli.main import main
from usb_ext.comparison import as3l_stages
from usb_ext.comparison.as3l_stages import check_runs, with_stages
from usb_ext.comparison.methods import parse_methods
from usb_ext.comparison.plan import Planned, make_plan, pair_seeds
from usb_ext.core.errors import SettingsError
from usb_ext.settings import load_settings

WHOLE: dict[str, Any] = {
    **TINY_RUN, **TINY_SSL, "algorithm": "as3l", "label_split": "file", "label_file": "auto",
    "prior_file": "auto", "prior_until": 2, "use_pretrain": True, "pretrain_path": "auto",
    "num_train_iter": 2, "num_eval_iter": 2, "ssl_epochs": 1, "as3l_tune_epochs": 1, "as3l_runs": 2,
}  # fmt: skip
ARMS = ("random=as3l:as3l_strategy=random,prior_label=False", "active + prior=as3l")


def plan(out: Path, *seeds: int) -> list[Planned]:
    given = {**WHOLE, "save_dir": str(out)}
    folds = pair_seeds(list(seeds), None, load_settings(given).settings)
    return make_plan(given, parse_methods(ARMS), folds, [10], out)


def test_runs_share_what_is_made_and_differ_in_what_is_chosen(tmp_path: Path) -> None:
    filled, _ = with_stages(plan(tmp_path, 0, 1))
    labels = [run.settings.label_file for run in filled]
    assert len(set(labels)) == 4  # 2 strategies x 2 folds
    assert len({run.settings.pretrain_path for run in filled}) == 1
    assert [run.settings.prior_file is None for run in filled] == [True, False] * 2


def test_methods_that_differ_in_training_alone_are_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, str, int]] = []
    monkeypatch.setattr(
        as3l_stages, "make", lambda s, _: asked.append((s.seed, s.as3l_strategy, s.as3l_runs))
    )
    runs = plan(tmp_path, 0, 1)
    changed = [("hot", {"T": 0.9}), ("slow", {"lr": 0.001}), ("many", {"as3l_runs": 3})]
    more = [
        replace(
            run,
            settings=run.settings.model_copy(update={"save_name": f"{run.name}_{name}", **values}),
        )
        for name, values in changed
        for run in runs
    ]
    filled, prepare = with_stages([*runs, *more])
    prepare(filled)
    arms = {(run.settings.seed, run.settings.as3l_strategy) for run in runs}
    assert len(asked) == len(set(asked)) == 2 * len(arms)
    assert {(seed, strategy) for seed, strategy, _ in asked} == arms


def test_comparison_makes_what_its_runs_need_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command on Table 5's outer arms, then again: nothing is made or trained a second time."""
    from usb_ext.comparison import stage as stage
    from usb_ext.training.train import train

    class Here:
        """A run that is trained at once, in this process."""

        def __init__(self, run: Planned, out: Path, lock: int) -> None:
            with undrawn():
                train(load_settings(run.settings.model_dump()))

        def poll(self) -> int:
            return 0

        def send(self, signal_number: int) -> None: ...

        def message(self) -> str:
            return ""

    monkeypatch.setattr(stage, "compare", partial(stage.compare, start=Here))
    given = {k: v for k, v in WHOLE.items() if k not in ("algorithm", "num_labels", "seed")}
    settings = tmp_path / "arms.yaml"
    settings.write_text("".join(f"{k}: {json.dumps(v)}\n" for k, v in given.items()))
    words = ["compare", "--c", str(settings), "--num-labels", "10", "--out", str(tmp_path / "out")]
    words += ["--methods", *ARMS, "--seeds", "0"]
    assert main(words) == 0, capsys.readouterr().err
    runs = tmp_path / "out" / "runs"
    chosen = json.loads((runs / "labels_digits_as3l_10_s0" / "selected.json").read_text())["ids"]
    trained = json.loads((runs / "active-+-prior_n10_l0_s0" / "labelled.json").read_text())
    assert sorted(chosen) == sorted(trained)
    before = {p: p.stat().st_mtime_ns for p in runs.rglob("*") if p.is_file()}
    capsys.readouterr()
    assert main(words) == 0
    assert "to do: 0" in capsys.readouterr().err
    assert {p: p.stat().st_mtime_ns for p in runs.rglob("*") if p.is_file()} == before


def test_a_method_without_a_choice_of_labels_is_refused_before_any_run(tmp_path: Path) -> None:
    """Weights of pre-training are asked for, and labels that are not chosen by a stage."""
    without = ("label_file", "prior_file", "prior_until", "algorithm")
    given = {k: v for k, v in WHOLE.items() if k not in without}
    given |= {"algorithm": "flexmatch", "label_split": "per_class", "save_dir": str(tmp_path)}
    folds = pair_seeds([0], None, load_settings(given).settings)
    runs = make_plan(given, parse_methods(["odd=flexmatch"]), folds, [10], tmp_path)
    with pytest.raises(
        SettingsError, match="method 'odd': AS3L chooses the labelled images itself"
    ):
        with_stages(runs)


def test_what_train_would_refuse_is_refused_before_any_run(tmp_path: Path) -> None:
    """Files that stages make are not missing; a run that is there is not asked about."""
    runs = plan(tmp_path, 0)
    check_runs(runs)
    odd = {"net": "vit_tiny_patch2_32", "img_size": 16, "extensions": []}
    given = {**TINY_RUN, **odd, "save_dir": str(tmp_path)}
    folds = pair_seeds([0], None, load_settings(given).settings)
    wrong = make_plan(given, parse_methods(["fixmatch"]), folds, [10], tmp_path)
    with pytest.raises(SettingsError, match="method 'fixmatch': net vit_tiny.* use img_size: 32"):
        check_runs([*runs, *wrong])
    wrong[0].folder.path.mkdir(parents=True)
    wrong[0].folder.result.touch()
    check_runs(wrong)
