"""The compare stage: what it runs, what it leaves alone, and how it goes on."""

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from support.compare import Ended, Trainer, of_seed, planned, report_of
from support.run import TINY, assert_same_state, undrawn

from usb_ext.comparison.methods import Order, parse_methods
from usb_ext.comparison.plan import Planned, make_plan, pair_seeds
from usb_ext.comparison.stage import compare
from usb_ext.core.errors import DataMissing, Interrupted, RunFailed, SettingsError
from usb_ext.engine.loop import Loop
from usb_ext.engine.parts import Stop
from usb_ext.settings import load_settings
from usb_ext.training.train import train


def files_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("compare.*")}


def test_runs_what_is_missing_then_nothing_and_writes_the_same(tmp_path: Path) -> None:
    trainer = Trainer(of_seed)
    few = planned(tmp_path, "fixmatch", "flexmatch", seeds=(0, 1))
    report_of(few, tmp_path, trainer)
    assert len(trainer.begun) == 4
    more = planned(tmp_path, "fixmatch", "flexmatch", seeds=(0, 1, 2))
    first = report_of(more, tmp_path, trainer)
    assert trainer.begun[4:] == ["fixmatch_n40_l2_s2", "flexmatch_n40_l2_s2"]
    before = files_of(tmp_path)
    assert set(before) == {f"compare.{end}" for end in ("json", "md", "tex", "csv", "png", "svg")}
    assert report_of(more, tmp_path, trainer) == first
    assert len(trainer.begun) == 6 and files_of(tmp_path) == before


def test_a_failed_run_is_named_left_out_and_not_tried_again(tmp_path: Path) -> None:
    def outcome(run: Planned) -> Any:
        bad = run.name == "flexmatch_n40_l1_s1"
        return Ended(1, "the loss is not finite") if bad else of_seed(run)

    plan, trainer = planned(tmp_path, "fixmatch", "flexmatch", seeds=(0, 1, 2)), Trainer(outcome)
    report = report_of(plan, tmp_path, trainer)
    part = report["comparisons"][0]
    assert [fold["seed"] for fold in part["folds"]] == [0, 2]
    assert part["metrics"]["last"]["fixmatch"]["errors"] == [20.0, 18.0]
    left = {(row["method"], row["seed"]): row["reason"] for row in report["left_out"]}
    assert left["flexmatch", 1] == "failed: the loss is not finite"
    assert left["fixmatch", 1] == "another method's run on this fold is left out"
    assert len(left) == 2
    assert report_of(plan, tmp_path, trainer) == report and len(trainer.begun) == 6
    report_of(plan, tmp_path, trainer, {"retry": True})
    assert trainer.begun[6:] == ["flexmatch_n40_l1_s1"]


@pytest.mark.parametrize("code", [2, -9, 143])
def test_what_may_go_better_next_time_is_tried_again(tmp_path: Path, code: int) -> None:
    trainer = Trainer(lambda run: Ended(code, "no memory"))
    for _ in range(2):
        report = report_of(planned(tmp_path, "fixmatch", seeds=(0,)), tmp_path, trainer)
        assert "no memory" in report["left_out"][0]["reason"]
    assert len(trainer.begun) == 2


def test_without_data_no_further_run_is_begun(tmp_path: Path) -> None:
    trainer = Trainer(lambda run: Ended(3, "no images in ./data"))
    with pytest.raises(DataMissing, match="no images in ./data"):
        report_of(planned(tmp_path, "fixmatch", "flexmatch"), tmp_path, trainer)
    assert len(trainer.begun) == 1


def test_a_method_without_any_run_does_not_empty_the_others_folds(tmp_path: Path) -> None:
    def outcome(run: Planned) -> Any:
        return Ended(1, "no") if run.method.label == "uda" else of_seed(run)

    plan = planned(tmp_path, "fixmatch", "uda", "flexmatch", seeds=(0, 1))
    part = report_of(plan, tmp_path, Trainer(outcome))["comparisons"][0]
    assert (part["methods"], part["absent"]) == (
        ["fixmatch", "flexmatch"],
        {"uda": "failed (2): no"},
    )
    assert len(part["folds"]) == 2


def test_a_method_whose_runs_all_failed_stands_in_the_tables_with_the_reason(
    tmp_path: Path,
) -> None:
    """Also after a second call, which trains nothing, and over several numbers of labels."""

    def outcome(run: Planned) -> Any:
        if run.method.label != "uda":
            return of_seed(run)
        return Ended(1, f"loss is not finite at step {run.fold.seed * (run.num_labels == 40)}")

    plan = planned(tmp_path, "fixmatch", "uda", seeds=(0, 1), counts=(40, 80))
    for _ in range(2):
        report = report_of(plan, tmp_path, Trainer(outcome))
        page = (tmp_path / "compare.md").read_text()
        assert "| fold | fixmatch | uda |" in page and "| 0 | " in page
        assert (
            "uda: failed (2): loss is not finite at step 0 / loss is not finite at step 1" in page
        )
        assert "uda: failed (2): loss is not finite at step 0\n" in page
        assert "| uda | failed (2) | failed (2) |" in page
        assert "without any usable run: uda: failed (2): loss" in report["page"]
    assert r"& uda \\" in (tmp_path / "compare.tex").read_text()


def test_runs_of_other_settings_are_refused_with_the_keys_before_any_run(tmp_path: Path) -> None:
    report_of(planned(tmp_path, "fixmatch"), tmp_path, Trainer(of_seed))
    trainer, before = Trainer(of_seed), files_of(tmp_path)
    other = planned(tmp_path, "uda", "fixmatch", lr=0.5)
    with pytest.raises(SettingsError, match=r"fixmatch_n40_l0_s0 \(lr 0.03 then, 0.5 now\)"):
        report_of(other, tmp_path, trainer)
    assert trainer.begun == [] and files_of(tmp_path) == before


def test_reports_without_training(tmp_path: Path) -> None:
    plan, trainer = planned(tmp_path, "fixmatch", "flexmatch"), Trainer(of_seed)
    report_of(plan[:3], tmp_path, trainer)
    report = report_of(plan, tmp_path, trainer, {"train": False})
    assert len(trainer.begun) == 3 and len(report["comparisons"][0]["folds"]) == 1
    assert {"method": "flexmatch", "reason": "missing"}.items() <= report["left_out"][-1].items()


def test_a_stopped_comparison_says_how_far_it_is_and_goes_on(tmp_path: Path) -> None:
    stop, plan = Stop(), planned(tmp_path, "fixmatch", "flexmatch")

    def outcome(run: Planned) -> Any:
        stop.requested = signal.SIGTERM if len(trainer.begun) == 3 else 0
        return Ended(143, "stopped") if stop.requested else of_seed(run)

    trainer = Trainer(outcome)
    with pytest.raises(Interrupted, match="2 of 4 runs finished") as caught:
        compare(plan, Order(tmp_path), start=trainer, stop=stop, say=len)
    assert caught.value.exit_code == 143 and files_of(tmp_path) == {}
    trainer.outcome = of_seed
    report_of(plan, tmp_path, trainer)
    assert trainer.begun[3:] == [trainer.begun[2], "flexmatch_n40_l1_s1"]


def test_two_comparisons_do_not_share_a_folder_at_once(tmp_path: Path) -> None:
    plan = planned(tmp_path, "fixmatch", seeds=(0,))

    def outcome(run: Planned) -> float:
        with pytest.raises(RunFailed, match="is in use"):
            report_of(plan, tmp_path, Trainer(of_seed))
        return 0.5

    assert report_of(plan, tmp_path, Trainer(outcome))["left_out"] == []


def test_real_runs_stopped_in_the_middle_go_on_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two methods, two seeds, trained in this process; the second run is stopped after 3 steps."""
    stop, begun, original = Stop(), [], Loop._end_epoch

    def start(run: Planned, out: Path, lock: int) -> Ended:
        begun.append(run.name)
        try:
            with undrawn():
                train(load_settings(run.settings.model_dump()), stop)
        except Interrupted as error:
            return Ended(error.exit_code, str(error))
        return Ended()

    def end_epoch(self: Any) -> None:
        original(self)
        if (len(begun), self.it) == (2, 3):
            stop.requested = signal.SIGTERM

    given = {**TINY, "device": "cpu"}
    folds = pair_seeds([0, 1], None, load_settings(given).settings)
    methods = parse_methods(["fixmatch", "layermatch:grad_relu=False"])
    plan = make_plan(given, methods, folds, [10], tmp_path)
    order = Order(tmp_path, about={"command": "usb-ext compare"})
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_end_epoch", end_epoch)
        with pytest.raises(Interrupted, match="1 of 4 runs finished"):
            compare(plan, order, start=start, stop=stop, say=len)
    stop = Stop()
    report = compare(plan, order, start=start, stop=stop, say=len)
    assert begun == [run.name for run in plan[:2]] + [run.name for run in plan[1:]]
    assert report["left_out"] == [] and len(report["comparisons"][0]["folds"]) == 2
    before = files_of(tmp_path)
    assert compare(plan, order, start=start, say=len) == report and len(begun) == 5
    assert files_of(tmp_path) == before
    whole = load_settings(plan[1].settings.model_dump(), {"save_dir": str(tmp_path / "whole")})
    with undrawn():
        train(whole)
    cut, other = plan[1].folder.latest, whole.settings.run_dir / "latest_model.pth"
    assert_same_state(*(torch.load(path, weights_only=True) for path in (cut, other)))
