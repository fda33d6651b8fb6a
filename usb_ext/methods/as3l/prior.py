"""Prior pseudo-labels from votes, and what a weak prediction becomes with them (AS3L, Secs. 4.2, 4.3).

Every clustering gives each sample of a labelled cluster a vote for the cluster's class. Eq. 5:
y_post = normalize(y_prior + y_weak) up to iteration T, y_weak after it.

PriorLabelHook: prior pseudo-labels join the weak predictions until iteration T (AS3L, Eq. 5).

Which prior pseudo-label belongs to which unlabelled image of a run (AS3L, Sec. 4.2).
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from usb_ext.core.arrays import FloatArray, IntArray
from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.data.prepared import Prepared
from usb_ext.data.prior_file import prior_of
from usb_ext.methods.step.base import Weak
from usb_ext.methods.step.extension import Extension
from usb_ext.upstream.running import Arguments, Running
from usb_ext.upstream.usb import Hook

NORMALISERS = ("row", "runs")


def cluster_classes(groups: IntArray, labels: IntArray, num_clusters: int) -> IntArray:
    """Class of each cluster: that of its labelled samples, or -1.

    Args:
        groups: (n,) cluster of each labelled sample; a cluster holds one class.
        labels: (n,) class of each.
        num_clusters: K.

    Returns:
        Shape (K,).
    """
    found = np.full(num_clusters, -1, dtype=np.int64)
    found[groups] = labels
    return found


def count_votes(classes: list[IntArray], num_classes: int) -> FloatArray:
    """Votes of the runs.

    Args:
        classes: for each run the class it gives to every sample, shape (N,), -1 for none.
        num_classes: number of classes.

    Returns:
        Shape (N, num_classes), float32: how many runs vote for each class.
    """
    votes = np.zeros((len(classes[0]), num_classes), dtype=np.float32)
    for run in classes:
        reached = np.flatnonzero(run >= 0)
        votes[reached, run[reached]] += 1
    return votes


def normalised_votes(votes: FloatArray, runs: int, normaliser: str = "row") -> FloatArray:
    """y_prior from votes; a sample without votes keeps a row of zeros, that is, no prior.

    ours: the paper says "normalized" and no more. `row` divides each row by its own sum: rows sum to 1
    or 0, which alone fits the calibration errors of its Table 9. `runs` divides by the number of runs,
    so that samples which few runs reach weigh less in Eq. 5; their rows sum to less than 1.

    Args:
        votes: (N, num_classes), each at least 0.
        runs: number of runs, the largest possible row sum.
        normaliser: `row` or `runs`.

    Returns:
        Shape (N, num_classes), float32.

    Raises:
        ValueError: another normaliser.
    """
    if normaliser not in NORMALISERS:
        raise ValueError(f"normaliser {normaliser!r}")
    if normaliser == "runs":
        return (votes / runs).astype(np.float32)
    total = votes.sum(axis=1, keepdims=True)
    return (votes / np.where(total > 0, total, 1)).astype(np.float32)


def posterior(prior: torch.Tensor, probs: torch.Tensor) -> torch.Tensor:
    """y_post of Eq. 5: the sum of prior and prediction, divided by its own sum.

    Args:
        prior: (B, C), rows of sum at most 1; a row of zeros leaves the prediction as it is, bit by bit.
        probs: (B, C) probabilities of the weak views.

    Returns:
        Shape (B, C), rows of sum 1.
    """
    known = prior.sum(dim=-1, keepdim=True) > 0
    total = prior + probs
    return torch.where(known, total / total.sum(dim=-1, keepdim=True), probs)


def posterior_logits(prior: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Logits whose softmax is y_post, for bases that make probabilities themselves.

    ours: log y_post, where a probability of 0 counts as the smallest number of the dtype, so that no
    product with an infinity arises.

    Args:
        prior: (B, C); a row of zeros leaves its logits as they are, bit by bit.
        logits: (B, C) of the weak views, in at least single precision.

    Returns:
        Shape (B, C).
    """
    known = prior.sum(dim=-1, keepdim=True) > 0
    tiny = torch.finfo(logits.dtype).tiny
    log_post = posterior(prior, logits.softmax(dim=-1)).clamp_min(tiny).log()
    return torch.where(known, log_post, logits)


class PriorLabelHook(Hook):
    """Owns y_prior of every unlabelled example, which training never changes.

    ours: steps are counted from 0 and t < T takes the prior, so that T is the number of steps with it and
    T = 0 is the base. Across processes there is nothing to exchange: each holds the same table.

    Args:
        prior: (n, C) prior pseudo-labels, row i of the example with `idx_ulb` i; it follows the device
            of the predictions.
        until: T, in steps.
    """

    def __init__(self, prior: torch.Tensor, until: int) -> None:
        super().__init__()
        self.prior = prior
        self.until = until
        self.sha256 = hashlib.sha256(prior.cpu().numpy().tobytes()).hexdigest()

    @torch.no_grad()
    def join(self, algorithm: Running, weak: Weak) -> Weak:
        """What the weak views say, with y_post in place of y_weak; unchanged from step T on.

        Args:
            algorithm: its `it` is t.
            weak: `Weak`: logits (U, C), probabilities (U, C), which are aligned
                where the base does so, and positions (U,) in the unlabelled set.

        Returns:
            A changed copy: log y_post of the logits and y_post of the probabilities, both (U, C).

        Raises:
            RunFailed: the training loop gives no positions.
        """
        if algorithm.it >= self.until:
            return weak
        if weak.indices is None:
            raise RunFailed("prior_label needs idx_ulb, the positions of the unlabelled examples")
        if self.prior.device != weak.logits.device:
            self.prior = self.prior.to(weak.logits.device)
        wide = torch.promote_types(weak.logits.dtype, torch.float32)
        prior = self.prior[weak.indices].to(wide)
        return replace(
            weak,
            logits=posterior_logits(prior, weak.logits.to(wide)),
            probs=posterior(prior, weak.probs.to(wide)),
        )

    def state_dict(self) -> dict[str, str]:
        """A digest: the table itself is read again from its file."""
        return {"sha256": self.sha256}

    def load_state_dict(self, state: dict[str, str]) -> None:
        """Make sure that a resumed run goes on with the prior pseudo-labels it began with.

        Raises:
            SettingsError: the file has changed.
        """
        if state["sha256"] != self.sha256:
            raise SettingsError(
                "prior_file holds other prior pseudo-labels than when the run began; put the old file "
                "back, or start again with --overwrite"
            )


def prior_of_run(args: Arguments) -> torch.Tensor:
    """y_prior in the order of the run's unlabelled images.

    Args:
        args: the run's namespace; `args.parts.data` is its prepared data.

    Returns:
        Shape (U, C), float32, on the CPU.

    Raises:
        SettingsError: the images cannot be told apart, or the file is of another data set.
        DataMissing: no such file.
    """
    data: Prepared | None = getattr(getattr(args, "parts", None), "data", None)
    if data is None or data.positions is None or data.ids is None:
        raise SettingsError(
            f"prior_label cannot tell the unlabelled images of {args.dataset} apart, because USB splits "
            "it itself; put the images into class folders and use dataset: imagefolder"
        )
    values = prior_of(
        Path(args.prior_file),
        data.ids,
        data.positions,
        args.num_classes,
        data.classes,
        args.dataset,
    )
    return torch.from_numpy(values)


class PriorLabel(Extension):
    """Prior pseudo-labels join the weak predictions in the first steps (AS3L, Eq. 5).

    Masking and targets both see y_post. ours: so do the running statistics that a base keeps of what
    its masking sees (FlexMatch's counts, FreeMatch's threshold, SoftMatch's mean and variance), while
    those of distribution alignment see the model's own predictions, which come before.
    """

    def hook(self, algorithm: Running) -> Hook:
        """The hook with y_prior of the run's unlabelled examples."""
        return PriorLabelHook(prior_of_run(algorithm.args), algorithm.args.prior_until)

    def weak(self, algorithm: Running, weak: Weak) -> Weak:
        """y_post in the place of y_weak: logits and probabilities of shape (U, C)."""
        joined: Weak = algorithm.call_hook("join", "PriorLabelHook", weak=weak)
        return joined
