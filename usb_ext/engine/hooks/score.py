"""EvaluationHook: accuracy during training, best and last, with the weights that belong to them.

USB's hook reloads the best model at the end and evaluates it with the last averages.
"""

from typing import Any

import numpy as np

from usb_ext.functional.instability import largest_drop
from usb_ext.upstream.usb import Hook


class ScoreHook(Hook):  # type: ignore[misc]
    """Owns the history of evaluations: step, scores, predicted classes, the last confusion matrix.

    Without a test split (`without_test`) there is nothing to evaluate, and the history stays empty.

    Across processes each one evaluates the whole split, so the state is the same in all of them.

    Attributes:
        history: one dict an evaluation, `it` and USB's `eval/...` keys.
        confusion: (C, C) counts of the last evaluation as nested lists.
        predicted: for each evaluation the (C,) counts of each predicted class.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: list[dict[str, float]] = []
        self.confusion: list[list[int]] = []
        self.predicted: list[list[int]] = []

    def after_train_step(self, algorithm: Any) -> None:
        """Evaluate every `num_eval_iter` steps and at the last one."""
        due = self.every_n_iters(algorithm, algorithm.num_eval_iter)
        if not (due or self.is_last_iter(algorithm)) or "eval" not in algorithm.loader_dict:
            return
        scores = algorithm.evaluate("eval")
        algorithm.log_dict.update(scores)
        self.history.append({"it": algorithm.it + 1, **scores})
        self.confusion = algorithm.last_confusion
        self.predicted.append([sum(column) for column in zip(*self.confusion, strict=True)])
        if scores["eval/top-1-acc"] > algorithm.best_eval_acc:
            algorithm.best_eval_acc = scores["eval/top-1-acc"]
            algorithm.best_it = algorithm.it
            algorithm.best_is_new = True

    def restart(self, algorithm: Any, name: str) -> None:
        """Before training starts from step 0 again: forget what was scored so far."""
        self.history, self.predicted = [], []

    def instability(self) -> dict[str, Any] | None:
        """The largest drop of accuracy below its running best, as `result.json` holds it, or None."""
        if not self.history:
            return None
        found = largest_drop(
            np.array([row["eval/top-1-acc"] for row in self.history]),
            np.array(self.predicted, dtype=np.int64),
            np.array(self.confusion, dtype=np.int64).sum(axis=-1),
        )
        if found is None:
            return None
        best, lowest = self.history[found.best], self.history[found.lowest]
        return {
            "largest_drop": found.size,
            "it": int(lowest["it"]),
            "top1": lowest["eval/top-1-acc"],
            "best_it": int(best["it"]),
            "best_top1": best["eval/top-1-acc"],
            "emptied_classes": found.emptied,
            "collapsed_classes": found.collapsed,
        }

    def state_dict(self) -> dict[str, Any]:
        """History, last confusion matrix and predicted classes."""
        return {
            "history": self.history,
            "confusion": self.confusion,
            "predicted": self.predicted,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        self.history = list(state["history"])
        self.confusion = state["confusion"]
        self.predicted = list(state["predicted"])
