"""When the run is scored, and which score counts as the best."""

from types import SimpleNamespace
from typing import Any

from usb_ext.engine.hooks.score import ScoreHook


def algorithm(accuracies: list[float], steps: int, every: int) -> Any:
    """A run whose evaluations give `accuracies`, one after the other."""
    left = iter(accuracies)
    run = SimpleNamespace(
        it=0,
        num_train_iter=steps,
        num_eval_iter=every,
        log_dict={},
        loader_dict={"eval": ()},
        best_eval_acc=0.0,
        best_it=0,
        best_is_new=False,
        asked=[],
    )

    def evaluate(split: str) -> dict[str, float]:
        run.asked.append(split)
        accuracy = next(left)
        run.last_confusion = [[round(100 * accuracy), 0], [0, 1]]
        return {"eval/top-1-acc": accuracy, "eval/F1": accuracy / 2}

    run.evaluate = evaluate
    return run


def drive(hook: ScoreHook, run: Any) -> list[int]:
    """Run to the end; the steps (from 1) after which a new best was reported."""
    new = []
    for it in range(run.it, run.num_train_iter):
        run.it = it
        run.log_dict, run.best_is_new = {}, False
        hook.after_train_step(run)
        if run.best_is_new:
            new.append(run.it + 1)
    return new


def test_scores_come_every_so_many_steps_and_at_the_last() -> None:
    hook, run = ScoreHook(), algorithm([0.2, 0.5, 0.5, 0.4], steps=10, every=3)
    assert drive(hook, run) == [3, 6]  # an equal score is no better one
    assert [row["it"] for row in hook.history] == [3, 6, 9, 10]
    assert [row["eval/top-1-acc"] for row in hook.history] == [0.2, 0.5, 0.5, 0.4]
    assert set(run.asked) == {"eval"}
    assert (run.best_eval_acc, run.best_it) == (0.5, 5)
    assert run.log_dict == {"eval/top-1-acc": 0.4, "eval/F1": 0.2}
    assert hook.confusion == [[40, 0], [0, 1]]


def test_the_last_step_is_scored_once_where_both_rules_meet() -> None:
    hook, run = ScoreHook(), algorithm([0.1, 0.3], steps=4, every=2)
    drive(hook, run)
    assert [row["it"] for row in hook.history] == [2, 4]


def test_other_steps_leave_the_log_alone() -> None:
    hook, run = ScoreHook(), algorithm([], steps=10, every=4)
    hook.after_train_step(run)
    assert run.log_dict == {} and hook.history == [] and run.asked == []


def test_a_restored_hook_continues_the_history() -> None:
    whole, run = ScoreHook(), algorithm([0.2, 0.5, 0.4], steps=6, every=2)
    drive(whole, run)

    first, run = ScoreHook(), algorithm([0.2, 0.5], steps=4, every=2)
    drive(first, run)
    state = first.state_dict()
    second = ScoreHook()
    second.load_state_dict(state)
    assert second.confusion == [[50, 0], [0, 1]]
    resumed = algorithm([0.4], steps=6, every=2)
    resumed.it, resumed.best_eval_acc = 4, 0.5
    assert drive(second, resumed) == []
    assert second.history == whole.history
    assert second.confusion == whole.confusion
    assert len(first.history) == 2  # the state is a copy


def test_a_run_that_starts_over_forgets_its_scores() -> None:
    hook, run = ScoreHook(), algorithm([0.2, 0.5], steps=2, every=2)
    drive(hook, run)
    hook.restart(run, "first")
    run.it = 0
    drive(hook, run)
    assert [row["eval/top-1-acc"] for row in hook.history] == [0.5]


def test_without_a_test_split_nothing_is_asked_and_nothing_reported() -> None:
    hook, run = ScoreHook(), algorithm([], steps=4, every=2)
    run.loader_dict = {}
    assert drive(hook, run) == []
    assert run.asked == [] and hook.history == [] and hook.instability() is None


def test_held_out_images_are_scored_beside_and_choose_nothing() -> None:
    """The confusion matrix and the best belong to `eval`, whatever the validation images say."""
    hook, run = ScoreHook(), algorithm([0.5, 0.4], steps=2, every=1)
    run.loader_dict["validation"] = ()
    scored, held_out = run.evaluate, iter([0.1, 0.9])

    def evaluate(split: str) -> dict[str, float]:
        if split == "eval":
            return scored(split)  # type: ignore[no-any-return]
        run.last_confusion = [[0, 0], [0, 0]]
        return {
            "validation/top-1-acc": next(held_out),
            "validation/loss": 2.0,
            "validation/F1": 0.0,
        }

    run.evaluate = evaluate
    assert drive(hook, run) == [1]
    assert run.log_dict == {
        "eval/top-1-acc": 0.4, "eval/F1": 0.2, "validation/top-1-acc": 0.9, "validation/loss": 2.0,
    }  # fmt: skip
    assert (run.best_eval_acc, hook.confusion) == (0.5, [[40, 0], [0, 1]])


def test_without_a_test_split_held_out_images_are_scored_alone() -> None:
    hook, run = ScoreHook(), algorithm([], steps=4, every=3)
    run.loader_dict = {"validation": ()}
    held_out = iter([0.1, 0.9])
    run.evaluate = lambda split: {f"{split}/top-1-acc": next(held_out), f"{split}/loss": 2.0}
    rows = []
    for run.it in range(4):
        run.log_dict = {}
        hook.after_train_step(run)
        rows.append(run.log_dict.get("validation/top-1-acc"))
    assert rows == [None, None, 0.1, 0.9]
    assert hook.history == [] and (run.best_eval_acc, run.best_is_new) == (0.0, False)
