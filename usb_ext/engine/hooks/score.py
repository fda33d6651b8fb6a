"""EvaluationHook: accuracy during training, best and last, with the weights that belong to them.

USB's hook reloads the best model at the end and evaluates it with the last averages.

How far a run fell below what it had reached, and which classes it stopped predicting then.

Smooth Pseudo-Labeling, Secs. 4.1 and 4.4: bad runs reach a good accuracy, lose it in one drop and end
with classes whose column of the confusion matrix is (almost) empty.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usb_ext.core.classification import rarely_predicted
from usb_ext.core.result import Instability
from usb_ext.upstream.running import OnEngine, Scores, State
from usb_ext.upstream.usb import Hook

IntArray = npt.NDArray[np.int64]

HELD_OUT = "validation"
"""The loader, and the prefix in `metrics.jsonl`, of the images that `num_val` holds out, all and in order."""


@dataclass(frozen=True)
class Drop:
    """The largest fall of a run's accuracy below its running best (Sec. 4.4).

    Attributes:
        size: best so far minus accuracy, in [0, 1].
        best: number of the evaluation that held the best, the latest one if several tie.
        lowest: number of the evaluation where the fall was largest, the first one if several tie.
        emptied: classes that are collapsed at `lowest` and were not at `best`, ascending.
        collapsed: all classes that are collapsed at `lowest`.
    """

    size: float
    best: int
    lowest: int
    emptied: list[int]
    collapsed: list[int]


def largest_drop(
    accuracies: npt.NDArray[np.float64], predicted: IntArray, support: IntArray
) -> Drop | None:
    """The largest drop of a run, or None where accuracy never fell below its running best.

    A class is collapsed as in `collapsed_classes`: it is predicted less often than a tenth of its
    number of examples.

    Args:
        accuracies: (n,) one an evaluation, in [0, 1], in order; n may be 0.
        predicted: (n, C) how often each class was predicted in it: its confusion matrix's columns.
        support: (C,) examples of each class in the evaluation split.
    """
    if len(accuracies) == 0:
        return None
    drops = np.maximum.accumulate(accuracies) - accuracies
    lowest = int(np.argmax(drops))
    if drops[lowest] <= 0:
        return None
    best = int(np.flatnonzero(accuracies[:lowest] == accuracies[:lowest].max())[-1])
    before, after = (rarely_predicted(predicted[i], support) for i in (best, lowest))
    emptied = [c for c in after if c not in before]
    return Drop(float(drops[lowest]), best, lowest, emptied, after)


def held_out_scores(algorithm: OnEngine) -> Scores:
    """Top-1 and loss of the averaged weights on the images that `num_val` holds out; empty without any.

    Ren et al. (2020, Table 3, Figs. 3 and 4) show them for runs with and without learned weights. It goes
    before the scores of `eval`, whose confusion matrix is the one to keep.

    Args:
        algorithm: the running algorithm with its loaders.
    """
    if HELD_OUT not in algorithm.loader_dict:
        return {}
    wanted = (f"{HELD_OUT}/top-1-acc", f"{HELD_OUT}/loss")
    return {name: value for name, value in algorithm.evaluate(HELD_OUT).items() if name in wanted}


class ScoreHook(Hook):
    """Owns the history of evaluations: step, scores, predicted classes, the last confusion matrix.

    Without a test split (`without_test`) the images that `num_val` holds out are scored alone, where there
    are any; they choose nothing, and the history stays empty.

    Across processes each one evaluates its share of the batches and is told the rest, so the state is the
    same in all of them.

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

    def after_train_step(self, algorithm: OnEngine) -> None:
        """Evaluate every `num_eval_iter` steps and at the last one."""
        due = self.every_n_iters(algorithm, algorithm.num_eval_iter)
        if not (due or self.is_last_iter(algorithm)):
            return
        held_out = held_out_scores(algorithm)
        if "eval" not in algorithm.loader_dict:
            algorithm.log_dict.update(held_out)
            return
        scores = algorithm.evaluate("eval")
        algorithm.log_dict.update({**scores, **held_out})
        self.history.append({"it": algorithm.it + 1, **scores})
        self.confusion = algorithm.last_confusion
        self.predicted.append([sum(column) for column in zip(*self.confusion, strict=True)])
        if scores["eval/top-1-acc"] > algorithm.best_eval_acc:
            algorithm.best_eval_acc = scores["eval/top-1-acc"]
            algorithm.best_it = algorithm.it
            algorithm.best_is_new = True

    def restart(self, algorithm: OnEngine, name: str) -> None:
        """Before training starts from step 0 again: forget what was scored so far."""
        self.history, self.predicted = [], []

    def instability(self) -> Instability | None:
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

    def state_dict(self) -> State:
        """History, last confusion matrix and predicted classes."""
        return {
            "history": self.history,
            "confusion": self.confusion,
            "predicted": self.predicted,
        }

    def load_state_dict(self, state: State) -> None:
        """Take back what `state_dict` gave."""
        self.history = list(state["history"])
        self.confusion = state["confusion"]
        self.predicted = list(state["predicted"])
