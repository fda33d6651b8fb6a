"""Nearest neighbours in feature space: how good features are, and how consistent labels are there.

AS3L judges self-supervised features by the labels of each sample's nearest neighbours (Sec. 3, Fig. 2);
SimSiam's authors watch a weighted vote of the neighbours while they pre-train. Features are compared by
the angle between them (cosine), in blocks of queries, so memory is linear in the number of samples.

LabelConsistencyHook: do pseudo-labels agree with those of the neighbours in feature space?

AS3L (Sec. 3, Fig. 2) asks how much of a self-supervised feature space is left in training, by the share
of a sample's nearest neighbours that have its label. Here the features stay and the pseudo-labels move; in
TrainedConsistencyHook the true labels stay and the features move, which is the figure's own question.

The nearest neighbours of a run's unlabelled images in a file of features (AS3L, Sec. 3).
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from usb_ext.core.arrays import blocks
from usb_ext.core.errors import SettingsError
from usb_ext.data.features import read_features
from usb_ext.data.image_names import ImageIds
from usb_ext.data.prepared import IntArray, Prepared
from usb_ext.engine.evaluation import predict
from usb_ext.engine.statistics import averaged_network
from usb_ext.methods.step.base import Weak
from usb_ext.upstream.running import Arguments, OnEngine, Running, served
from usb_ext.upstream.usb import Hook

BLOCK_VALUES = 2**25
_NEVER = -2.0  # below every cosine


def weighted_vote(
    points: torch.Tensor,
    labels: torch.Tensor,
    queries: torch.Tensor,
    num_classes: int,
    k: int,
    temperature: float,
) -> torch.Tensor:
    """Class of each query by its neighbours' votes, each worth exp(cosine / T) (AS3L, Sec. 3).

    The vote is that of Wu et al. (2018), which SimSiam's authors report on CIFAR with k 200 and T 0.1.

    Args:
        points: (N, d) features with known classes.
        labels: (N,) their classes.
        queries: (M, d) features to classify.
        num_classes: C.
        k: neighbours that vote, >= 1; no more than N do.
        temperature: T > 0; the smaller, the more the nearest decides.

    Returns:
        (M,) classes.
    """
    points, queries = F.normalize(points, dim=1), F.normalize(queries, dim=1)
    found = []
    for rows in blocks(len(queries), max(1, len(points)), BLOCK_VALUES):
        cosine, near = (queries[rows] @ points.T).topk(min(k, len(points)), dim=1)
        votes = cosine.new_zeros(len(near), num_classes)
        votes.scatter_add_(1, labels[near], torch.exp((cosine - 1) / temperature))
        found.append(votes.argmax(1))
    return torch.cat(found) if found else labels.new_zeros(0)


def nearest_others(features: torch.Tensor, k: int) -> torch.Tensor:
    """The k nearest other samples of each sample, by cosine (AS3L, Sec. 3, Fig. 2).

    Args:
        features: (N, d).
        k: 1 to N - 1.

    Returns:
        (N, k) positions, nearest first, never the sample itself.

    Raises:
        ValueError: k outside 1 to N - 1.
    """
    if not 1 <= k < len(features):
        raise ValueError(f"{k} neighbours among {len(features)} samples")
    unit = F.normalize(features, dim=1)
    found = []
    for rows in blocks(len(unit), len(unit), BLOCK_VALUES):
        cosine = unit[rows] @ unit.T
        own = torch.arange(rows.start, rows.stop, device=unit.device)
        cosine[torch.arange(len(own), device=unit.device), own] = _NEVER
        found.append(cosine.topk(k, dim=1).indices)
    return torch.cat(found)


def label_consistency(labels: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
    """Mean share of a sample's neighbours that have its label (AS3L, Sec. 3, Fig. 2).

    Samples and neighbours with label -1 do not count.

    Args:
        labels: (N,) classes, -1 unknown.
        near: (N, k) positions of each sample's neighbours.

    Returns:
        Scalar of shape (), float64 in [0, 1]; the mean runs over the samples that have a label and a
        neighbour with one, and is NaN where there is none.
    """
    theirs = labels[near]
    known = (theirs >= 0) & (labels >= 0).unsqueeze(1)
    agree = (theirs == labels.unsqueeze(1)) & known
    count = known.sum(1)
    shares = agree.sum(1).double() / count.clamp(min=1)
    return shares[count > 0].mean()


def feature_spread(features: torch.Tensor) -> torch.Tensor:
    """Collapse check: sqrt(d) times the mean deviation of unit features (SimSiam, Fig. 2; AS3L, Sec. 3).

    Args:
        features: (N, d).

    Returns:
        Scalar of shape (): about 1 where features point everywhere, 0 where all point the same way.
    """
    unit = F.normalize(features, dim=1)
    spread: torch.Tensor = unit.std(0, unbiased=False).mean() * features.shape[1] ** 0.5
    return spread


KEY = "train/label_consistency"


class LabelConsistencyHook(Hook):
    """Owns the pseudo-label of each unlabelled example as it was last seen, -1 before.

    Pseudo-labels are the argmax of what the base sees of the weak views, selected or not. The value is
    logged at each evaluation. Across processes: each notes the examples it was served, and logs its own
    value; the state is that of the process which saves.

    Args:
        count: U, number of unlabelled examples.
        watched: (n,) positions in the unlabelled set of the examples that are compared.
        near: (n, k) neighbours of each, as places in `watched`.
    """

    def __init__(self, count: int, watched: torch.Tensor, near: torch.Tensor) -> None:
        super().__init__()
        self.watched, self.near = watched, near
        self.seen = torch.full((count,), -1, dtype=torch.long)

    @torch.no_grad()
    def after_weak(self, algorithm: Running, weak: Weak) -> None:
        """Note the pseudo-labels of a step.

        Args:
            algorithm: the running algorithm.
            weak: `probs` (U', C) and `indices` (U',), or None, of the step's unlabelled examples.
        """
        if weak.indices is None:
            return
        if self.seen.device != weak.probs.device:
            self.seen = self.seen.to(weak.probs.device)
        self.seen[weak.indices] = weak.probs.argmax(dim=-1)

    def after_train_step(self, algorithm: Running) -> None:
        """At an evaluation, log the consistency of what has been seen so far."""
        if "eval/top-1-acc" not in algorithm.log_dict:
            return
        value = float(label_consistency(self.seen.cpu()[self.watched], self.near))
        if value == value:  # NaN before two neighbours were seen
            algorithm.log_dict[KEY] = value

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The pseudo-labels, shape (U,)."""
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Take a copy of what `state_dict` gave, shape (U,)."""
        self.seen = state["seen"].clone()


TRAINED_KEY = "eval/feature_consistency"
START_KEY = f"{TRAINED_KEY}_start"


class TrainedConsistencyHook(Hook):
    """Do test images lie beside others of their true class, in the features as they are now (Fig. 2)?

    ours: on the test images, of more than `MOST` so many, with the averaged network as it is evaluated. The
    value before the first step is that of the features that training starts from; both are logged at each
    evaluation. Owns the first value.

    Args:
        k: neighbours of each image, below the number of test images.
    """

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k, self.start = k, float("nan")

    def measured(self, algorithm: OnEngine) -> float:
        """The consistency now, in [0, 1]; NaN where no class is known."""
        loader = algorithm.loader_dict["eval"]
        with averaged_network(algorithm) as network:
            features, labels = predict(network, loader, algorithm.device, "feat")
        some = evenly_spaced(len(labels))
        values = features[some].to(algorithm.device)
        return float(label_consistency(labels[some], nearest_others(values, self.k).cpu()))

    def before_train_step(self, algorithm: OnEngine) -> None:
        """Measure before the first step."""
        if algorithm.it == 0:
            self.start = self.measured(algorithm)

    def after_train_step(self, algorithm: OnEngine) -> None:
        """At an evaluation, log the consistency and what it was at the start."""
        if "eval/top-1-acc" not in algorithm.log_dict:
            return
        found = {TRAINED_KEY: self.measured(algorithm), START_KEY: self.start}
        algorithm.log_dict.update({k: v for k, v in found.items() if v == v})

    def state_dict(self) -> dict[str, float]:
        """The first value."""
        return {"start": self.start}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Take back what `state_dict` gave."""
        self.start = state["start"]


def watch_consistency(algorithm: Running) -> list[tuple[Hook, str, str]]:
    """The hooks of a run that asks for a consistency, with their names and priorities.

    Args:
        algorithm: its data sets are there.

    Raises:
        SettingsError, DataMissing: as `neighbours_of_run`, or too few test images for k neighbours.
    """
    args, found = algorithm.args, list[tuple[Hook, str, str]]()
    if args.consistency_features:
        hook = LabelConsistencyHook(args.ulb_dest_len, *neighbours_of_run(args))
        found.append((hook, "LabelConsistencyHook", "NORMAL"))
    if args.trained_consistency:
        _check_k(args.consistency_k, len(served(algorithm.dataset_dict, "eval")), "test")
        trained = TrainedConsistencyHook(args.consistency_k)
        found.append((trained, "TrainedConsistencyHook", "NORMAL"))
    return found


def _check_k(k: int, count: int, what: str) -> None:
    if k >= count:
        raise SettingsError(
            f"consistency_k is {k}, but there are {count} {what} images; use at most {count - 1}"
        )


MOST = 20_000
"""ours: of a larger set so many images, evenly spaced, are compared with each other."""


def evenly_spaced(count: int) -> IntArray:
    """Positions (n,) of at most `MOST` of `count` examples."""
    return np.unique(np.linspace(0, count - 1, min(MOST, count)).astype(np.int64))


def neighbours_of_run(args: Arguments) -> tuple[torch.Tensor, torch.Tensor]:
    """Which unlabelled images are compared, and their `consistency_k` nearest neighbours among them.

    Args:
        args: the run's namespace; `args.parts.data` is its prepared data.

    Returns:
        (n,) positions in the unlabelled set, and (n, k) places among those n, both on the CPU.

    Raises:
        SettingsError: the images cannot be told apart, the file is of another data set or lacks some of
            them, or there are too few for k neighbours.
        DataMissing: no such file, or no features in it.
    """
    path, (ids, positions) = Path(args.consistency_features), _known(args)
    features = read_features(path)
    what = f"consistency_features {path}"
    if features.dataset not in (None, args.dataset):
        raise SettingsError(f"{what} is of dataset {features.dataset}, the run's is {args.dataset}")
    rows = np.full(ids.count, -1, dtype=np.int64)
    rows[ids.positions(features.ids, what)] = np.arange(len(features.ids))
    wanted = rows[positions]
    if (wanted < 0).any():
        lacking = int((wanted < 0).sum())
        raise SettingsError(f"{what} lacks {lacking} of the {len(wanted)} unlabelled images")
    watched = evenly_spaced(len(wanted))
    _check_k(args.consistency_k, len(watched), "unlabelled")
    values = torch.from_numpy(features.values[wanted[watched]]).to(args.parts.device)
    return torch.from_numpy(watched), nearest_others(values, args.consistency_k).cpu()


def _known(args: Arguments) -> tuple[ImageIds, IntArray]:
    """What the training images are called, and the position (U,) of each unlabelled one."""
    data: Prepared | None = getattr(getattr(args, "parts", None), "data", None)
    if data is None or data.positions is None or data.ids is None:
        raise SettingsError(
            f"consistency_features cannot tell the unlabelled images of {args.dataset} apart, because USB "
            "splits it itself; put the images into class folders and use dataset: imagefolder"
        )
    return data.ids, data.positions
