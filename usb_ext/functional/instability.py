"""How far a run fell below what it had reached, and which classes it stopped predicting then.

Smooth Pseudo-Labeling, Secs. 4.1 and 4.4: bad runs reach a good accuracy, lose it in one drop and end
with classes whose column of the confusion matrix is (almost) empty.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usb_ext.engine.classification import rarely_predicted

IntArray = npt.NDArray[np.int64]


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
