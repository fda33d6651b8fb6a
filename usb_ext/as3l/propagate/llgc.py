"""LLGC: labels spread over a graph of neighbours (AS3L, Table 8).

Zhou et al., Learning with Local and Global Consistency (2004), as Iscen et al. (2019) run it on deep
features: weights max(0, <x_i, x_j>)^gamma of the k nearest neighbours, made symmetric,
W = D^(-1/2) (A + A^T) D^(-1/2), and F = (I - alpha W)^(-1) Y by conjugate gradients, class by class.
Time is that of the neighbour search, N squared; memory is N k.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags, identity
from scipy.sparse.linalg import cg

from usb_ext.as3l.clustering.nearest import neighbours
from usb_ext.core.arrays import FloatArray, IntArray, unit_length


@dataclass(frozen=True)
class LlgcNumbers:
    """LLGC's numbers, as the paper takes them from Iscen et al.

    Attributes:
        neighbours: k, 50; at most N - 1 are used.
        power: gamma, 3.
        alpha: 0.99.
        steps: most steps of conjugate gradients, 20.
    """

    neighbours: int = 50
    power: float = 3.0
    alpha: float = 0.99
    steps: int = 20


def llgc(
    features: FloatArray,
    rows: IntArray,
    labels: IntArray,
    num_classes: int,
    numbers: LlgcNumbers | None = None,
) -> FloatArray:
    """Prior pseudo-labels by spreading.

    Args:
        features: (N, d); scaled to length 1 here.
        rows: (n,) positions of the labelled samples.
        labels: (n,) class of each.
        num_classes: number of classes.
        numbers: None for the paper's.

    Returns:
        Shape (N, num_classes), float32; rows sum to 1, or to 0 where no label arrives.
    """
    numbers = numbers or LlgcNumbers()
    graph = normalised_graph(features, numbers)
    spread_out = spread(graph, label_columns(rows, labels, len(features), num_classes), numbers)
    positive = np.maximum(spread_out, 0.0)
    total = positive.sum(axis=1, keepdims=True)
    return (positive / np.where(total > 0, total, 1)).astype(np.float32)


def label_columns(
    rows: IntArray, labels: IntArray, num_samples: int, num_classes: int
) -> NDArray[np.float64]:
    """Y, shape (N, num_classes): 1 over the class's number of labels at each labelled sample.

    Args:
        rows: (n,) positions.
        labels: (n,) classes.
        num_samples: N.
        num_classes: number of columns.
    """
    counts = np.bincount(labels, minlength=num_classes)
    columns = np.zeros((num_samples, num_classes))
    columns[rows, labels] = 1.0 / counts[labels]
    return columns


def normalised_graph(features: FloatArray, numbers: LlgcNumbers) -> csr_matrix:
    """W: symmetric, sparse, shape (N, N) with at most 2 k entries a row on average.

    Args:
        features: (N, d).
        numbers: k and gamma.
    """
    count = min(numbers.neighbours, len(features) - 1)
    found, similarity = neighbours(unit_length(features), count, inner_product=True)
    weights = np.maximum(similarity, 0.0).astype(np.float64) ** numbers.power
    ends = np.arange(len(features) + 1) * count
    one_way = csr_matrix((weights.ravel(), found.ravel(), ends), shape=(len(features),) * 2)
    both = one_way + one_way.T
    degree = np.asarray(both.sum(axis=1)).ravel()
    scale = diags(1.0 / np.sqrt(np.where(degree > 0, degree, 1.0)))
    return (scale @ both @ scale).tocsr()


def spread(
    graph: csr_matrix, columns: NDArray[np.float64], numbers: LlgcNumbers
) -> NDArray[np.float64]:
    """(I - alpha W)^(-1) Y by conjugate gradients.

    Args:
        graph: W, sparse (N, N).
        columns: Y, (N, num_classes).
        numbers: alpha and the number of steps.

    Returns:
        Shape (N, num_classes).
    """
    system = identity(graph.shape[0], format="csr") - numbers.alpha * graph
    found = [cg(system, column, rtol=1e-6, maxiter=numbers.steps)[0] for column in columns.T]
    return np.stack(found, axis=1)
