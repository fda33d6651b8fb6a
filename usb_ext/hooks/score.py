"""EvaluationHook: accuracy during training, best and last, with the weights that belong to them.

USB's hook reloads the best model at the end and evaluates it with the last averages.
"""

from typing import Any

from usb_ext.upstream.usb import Hook


class ScoreHook(Hook):  # type: ignore[misc]
    """Owns the history of evaluations: step, scores and the last confusion matrix.

    Attributes:
        history: one dict an evaluation, `it` and USB's `eval/...` keys.
        confusion: (C, C) counts of the last evaluation as nested lists.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: list[dict[str, float]] = []
        self.confusion: list[list[int]] = []

    def after_train_step(self, algorithm: Any) -> None:
        """Evaluate every `num_eval_iter` steps and at the last one."""
        due = self.every_n_iters(algorithm, algorithm.num_eval_iter)
        if not (due or self.is_last_iter(algorithm)):
            return
        scores = algorithm.evaluate("eval")
        algorithm.log_dict.update(scores)
        self.history.append({"it": algorithm.it + 1, **scores})
        self.confusion = algorithm.last_confusion
        if scores["eval/top-1-acc"] > algorithm.best_eval_acc:
            algorithm.best_eval_acc = scores["eval/top-1-acc"]
            algorithm.best_it = algorithm.it
            algorithm.best_is_new = True

    def restart(self, algorithm: Any, name: str) -> None:
        """Before training starts from step 0 again: forget what was scored so far."""
        self.history = []

    def state_dict(self) -> dict[str, Any]:
        """History and last confusion matrix."""
        return {"history": self.history, "confusion": self.confusion}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        self.history = list(state["history"])
        self.confusion = state["confusion"]
