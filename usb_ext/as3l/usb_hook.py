"""AS3L on an algorithm of USB's in USB's own loop: the stages before the first step, priors in the steps.

    algorithm.register_hook(usb_ext.AS3LHook(settings), "AS3LHook", "HIGHEST")

Before the run the hook makes what `usb-ext as3l` makes, by the same stages, files and skip rules, and puts it
in place: the chosen images are the labelled ones, the network starts from pre-training. In the first
`prior_until` steps prior pseudo-labels join what the algorithm sees of the weak views (AS3L, Eq. 5).
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from usb_ext.as3l.driver import to_stderr
from usb_ext.as3l.workflow import Show, check, make, ready
from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.data.label_files import read_label_file
from usb_ext.data.prior_file import prior_of
from usb_ext.data.training_set import TrainingSet, load_training_set
from usb_ext.methods.as3l.prior import posterior
from usb_ext.settings import Settings
from usb_ext.upstream.pretrained import load_weights
from usb_ext.upstream.running import Batch, Running, served
from usb_ext.upstream.usb import Hook

CARRIERS = ("FixMatch", "FlexMatch")
"""Classes of USB's that make probabilities of the weak views alone, once a step: there priors can join."""


class AS3LHook(Hook):
    """AS3L's stages before USB's loop; owns y_prior of the run's unlabelled images.

    Register it with priority "HIGHEST", so that the averages start at the pre-trained weights. USB's resuming
    works as ever: what is made is found again, and the weights of a checkpoint stay.

    Args:
        settings: those of `usb-ext as3l`; data set, number of classes and of labels must be the algorithm's.
        show: prints a line a stage; None writes to stderr.
    """

    def __init__(self, settings: Settings, show: Show | None = None) -> None:
        super().__init__()
        self.settings, self.show = settings, show or to_stderr
        self.prior: torch.Tensor | None = None
        self.indices: torch.Tensor | None = None

    def before_run(self, algorithm: Running) -> None:
        """Make what is missing, and put it in place.

        Args:
            algorithm: built, with its data sets; its `it` is 0 unless it was resumed.

        Raises:
            SettingsError: settings that do not fit the algorithm, or that lead to no stage.
            DataMissing: chosen images whose classes a person has to fill in, and as in the stages.
            RunFailed, Interrupted: as in the stages.
        """
        check(self.settings)
        self._check_fit(algorithm)
        make(self.settings, self.show)
        s = ready(self.settings).settings
        training = load_training_set(s)
        unlabelled = self._put_data(algorithm, s, training)
        if s.use_pretrain and algorithm.it == 0:
            network = getattr(algorithm.model, "module", algorithm.model)
            load_weights(network, s.net, str(s.pretrain_path), s.num_classes, s.img_size)
            averaged = getattr(algorithm.ema_model, "module", algorithm.ema_model)
            averaged.load_state_dict(network.state_dict())
        if "prior_label" in s.active_extensions:
            values = prior_of(
                Path(str(s.prior_file)), training.ids, unlabelled, s.num_classes, training.classes,
                s.dataset,
            )  # fmt: skip
            self._join(algorithm, torch.from_numpy(values))

    def _check_fit(self, algorithm: Running) -> None:
        s, args = self.settings, algorithm.args
        for name in ("dataset", "num_classes", "num_labels"):
            if getattr(s, name) != getattr(args, name):
                raise SettingsError(
                    f"{name} is {getattr(s, name)} in the settings of AS3LHook, but {getattr(args, name)} in "
                    "the algorithm's; give both the same"
                )
        kind = type(algorithm).__name__
        if "prior_label" in s.active_extensions and kind not in CARRIERS:
            raise SettingsError(
                f"prior_label cannot join the step of USB's {kind}, only of {' and '.join(CARRIERS)}; use "
                "prior_label: False, or `usb-ext as3l` with --base"
            )

    def _put_data(
        self, algorithm: Running, s: Settings, training: TrainingSet
    ) -> NDArray[np.int64]:
        """Serve the chosen images as labelled; gives the positions (U,) of the unlabelled ones."""
        classes = training.classes or tuple(map(str, range(s.num_classes)))
        positions, labels = read_label_file(
            Path(str(s.label_file)), targets=training.targets, classes=classes,
            names=training.ids.names,
        )  # fmt: skip
        whole = np.arange(training.ids.count, dtype=np.int64)
        rest = whole if algorithm.args.include_lb_to_ulb else np.setdiff1d(whole, positions)
        labelled, unlabelled = (
            served(algorithm.dataset_dict, n) for n in ("train_lb", "train_ulb")
        )
        if len(unlabelled) != len(rest):
            raise SettingsError(
                f"the algorithm was built for {len(unlabelled)} unlabelled images, but {s.dataset} has "
                f"{len(rest)}; AS3LHook serves data sets whose training images USB does not split further"
            )
        labelled.data = training.images[positions]
        labelled.targets = training.targets[positions] if labels is None else labels
        unlabelled.data, unlabelled.targets = training.images[rest], training.targets[rest]
        algorithm.loader_dict = algorithm.set_data_loader()  # type: ignore[attr-defined]
        return rest

    def _join(self, algorithm: Running, prior: torch.Tensor) -> None:
        """Let priors join the weak views' probabilities: note a batch's positions, change what follows."""
        self.prior = prior
        process, prob = algorithm.process_batch, algorithm.compute_prob  # type: ignore[attr-defined]

        def process_batch(input_args: list[str] | None = None, **entries: Any) -> Batch:
            self.indices = entries.get("idx_ulb")
            found: Batch = process(input_args, **entries)
            return found

        def compute_prob(logits: torch.Tensor) -> torch.Tensor:
            return self.joined(algorithm.it, prob(logits))

        algorithm.process_batch, algorithm.compute_prob = process_batch, compute_prob  # type: ignore

    def joined(self, it: int, probs: torch.Tensor) -> torch.Tensor:
        """y_post of a step's unlabelled images; unchanged from step `prior_until` on (Eq. 5).

        Args:
            it: number of the step, from 0.
            probs: (U, C) of the weak views, in the order of the step's `idx_ulb`.

        Returns:
            Shape (U, C).

        Raises:
            RunFailed: the loop gives no positions.
        """
        if self.prior is None or it >= self.settings.prior_until:
            return probs
        if self.indices is None:
            raise RunFailed("prior_label needs idx_ulb, the positions of the unlabelled examples")
        prior = self.prior[self.indices.cpu()].to(probs.device, probs.dtype)
        return posterior(prior, probs)
