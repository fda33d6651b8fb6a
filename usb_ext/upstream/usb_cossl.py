"""CoSSL on the engine: its loaders from (seed, step), its second optimizer beside the first.

USB's class labels mixed features by class index but asks `argmax` of them, so the probability of mixing
is always that of class 0: none, where class 0 is the largest. That is left as it is: a baseline is USB's.
"""

import functools
from typing import Any

from usb_ext.core.errors import SettingsError
from usb_ext.upstream._loaded import semilearn  # noqa: F401  (imports semilearn through the bridges)
from usb_ext.upstream.running import Arguments, LoaderDict, Running
from usb_ext.upstream.shared import MIXED_LABELLED, MIXED_UNLABELLED, FromStep, drop_hooks

# isort: split
from semilearn.imb_algorithms.cossl import utils as second_head
from semilearn.imb_algorithms.cossl.cossl import CoSSL, CoSSLParamUpdateHook

from usb_ext.upstream.usb import Hook


class SecondHeadHook(Hook):
    """Trains the second head once, when its epoch comes; the rest of USB's hook is the engine's work.

    Its batches come from the global generators, whose states are in every checkpoint.
    """

    def before_train_epoch(self, algorithm: Running) -> None:
        """What USB's hook does here, without its bar.

        What a run shows is the engine's and obeys `progress`; and the bar writes to the standard error of
        the moment in which its package was imported, which may be closed by now.
        """
        bar = second_head.Bar
        second_head.Bar = functools.partial(bar, file=None)
        try:
            CoSSLParamUpdateHook.before_train_epoch(self, algorithm)
        finally:
            second_head.Bar = bar


class CoSSLOnEngine(CoSSL):  # type: ignore[misc]
    """CoSSL without CUDA events, and resumable in the middle of an epoch.

    USB's two further loaders are shuffled by the global generator and their positions are not saved; its
    parameter hook reads events that its timer hook makes. (Removed by: "CoSSL through the common loaders
    and parameter hook".)
    """

    def __init__(self, args: Arguments, **kwargs: Any) -> None:
        super().__init__(args, **kwargs)
        self.optimizer.register_step_post_hook(self._step_second_head)

    def _step_second_head(self, *_: object) -> None:
        """Between the optimizer's step and the clearing of gradients, as in USB."""
        if self.epoch >= self.warm_epoch:
            self.tfe_optimizer.step()

    def set_hooks(self) -> None:
        """The engine's parameter update instead of USB's."""
        super().set_hooks()
        drop_hooks(self, CoSSLParamUpdateHook)
        self.register_hook(SecondHeadHook(), "SecondHeadHook", "HIGHEST")

    def set_data_loader(self) -> LoaderDict:
        """USB's loaders, its two further ones with batches that depend on (seed, step) alone.

        Raises:
            SettingsError: for labelled classes of equal size, of which USB's class makes nothing.
        """
        loaders: LoaderDict = super().set_data_loader()
        if max(self.lb_cnt_per_class) == min(self.lb_cnt_per_class):
            raise SettingsError(
                f"cossl fills up the smaller labelled classes, but all have "
                f"{max(self.lb_cnt_per_class)} images; use --lb_imb_ratio above 1 or another "
                "--imb_algorithm"
            )
        labelled, unlabelled = loaders["tfe_train_lb"], loaders["tfe_train_ulb"]
        self.dataset_dict["tfe_train_lb"] = labelled.dataset
        self.dataset_dict["tfe_train_ulb"] = unlabelled.dataset
        by_class = self.training_loader(
            "tfe_train_lb", self.args.batch_size, MIXED_LABELLED, labelled.sampler.weights
        )
        plain = self.training_loader("tfe_train_ulb", unlabelled.batch_size, MIXED_UNLABELLED)
        loaders["tfe_train_lb"] = FromStep(self, by_class)
        loaders["tfe_train_ulb"] = FromStep(self, plain)
        return loaders
