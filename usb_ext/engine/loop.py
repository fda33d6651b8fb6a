"""The training loop: steps, epochs, checkpoints and the wish to stop.

USB counts epochs of its loaders and loses steps: a resumed run skips the rest of its epoch, and with one
epoch trains nothing. Here only steps count; epochs are marks on the way, for the algorithms that act on
them.
"""

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from usb_ext.core.errors import Interrupted
from usb_ext.core.processes import of_first, world
from usb_ext.core.runtime import seed_everything
from usb_ext.engine import checkpoint
from usb_ext.engine.loaders import Loaders
from usb_ext.engine.parts import Stop
from usb_ext.engine.statistics import averaged_network
from usb_ext.upstream.running import Batch, Scores, State, TrainingLoader

PROCESS = 0x9A0C
"""Stream of random numbers of a run's processes, apart from those of its loaders."""


def seed_process(seed: int, step: int) -> None:
    """Give this one of several processes the global random numbers of (seed, rank, step)."""
    words = np.random.SeedSequence((seed, PROCESS, world().rank, step))
    seed_everything(int(words.generate_state(1)[0]))


class Loop(Loaders):
    """The part of the engine that trains; state lives in the algorithm it is a part of."""

    best_is_new: bool

    def train(self) -> None:
        """Train from step `it` to the end, or until asked to stop.

        Raises:
            Interrupted: after a checkpoint, when a signal asked for it.
            RunFailed: when a loss is not finite.
        """
        self.train_steps()
        self.call_hook("after_run")

    def train_steps(self) -> None:
        """The steps alone; algorithms that train several times call it several times."""
        self.model.train()
        batches = self.batches()
        while self.it < self.num_train_iter:
            self.one_step(batches)
            self._save_or_stop()

    def one_step(self, batches: Iterator[Batch]) -> None:
        """One batch, one step of the optimizer, and every hook's part in it."""
        self._begin_epoch()
        self.call_hook("before_train_step")
        self._seed_step()
        batch = self.process_batch(**next(batches), **self.extra_batch())
        self.out_dict, self.log_dict = self.train_step(**batch)
        self.call_hook("after_train_step")
        self.it += 1
        self._end_epoch()
        self.args.parts.stop.agree()

    def _seed_step(self) -> None:
        """With several processes each one's random numbers (dropout) hang on (seed, rank, step) alone."""
        if world().size > 1:
            seed_process(self.args.seed, self.it)

    def start_hooks(self) -> None:
        """USB's `before_run`, before a checkpoint is put back into what the hooks make there."""
        self.call_hook("before_run")

    def batches(self) -> Iterator[Batch]:
        """Labelled and unlabelled entries of each step from `it` on."""
        loaders = [self.loader_dict[k] for k in ("train_lb", "train_ulb") if k in self.loader_dict]
        for parts in zip(*map(self.from_step, loaders), strict=False):
            merged: Batch = {}
            for part in parts:
                merged.update(part)
            yield merged

    def from_step(self, loader: TrainingLoader) -> Iterator[Batch]:
        """A training loader's batches from the running step on."""
        loader.batch_sampler.start_iter = self.it
        return iter(loader)

    def extra_batch(self) -> Batch:
        """Further entries of a step's batch; algorithms that need some override it."""
        return {}

    def checkpoint_due(self) -> bool:
        """Whether the running step (0-based `it`) ends with a checkpoint."""
        return self._due(self.it + 1)

    def _due(self, done: int) -> bool:
        """Whether a checkpoint is due after `done` steps."""
        return bool(
            done % self.checkpoint_iter == 0
            or done == self.num_train_iter
            or self.best_is_new
            or self.args.parts.stop.requested
        )

    def _begin_epoch(self) -> None:
        self.epoch = self.it // self.num_iter_per_epoch
        if self.it % self.num_iter_per_epoch == 0:
            self.call_hook("before_train_epoch")

    def _end_epoch(self) -> None:
        if self.it % self.num_iter_per_epoch == 0:
            self.call_hook("after_train_epoch")

    def _save_or_stop(self) -> None:
        stop: Stop = self.args.parts.stop
        if self._due(self.it):
            self.save()
        if stop.requested:
            self.call_hook("on_stop")
            raise Interrupted(
                f"stopped after step {self.it} of {self.num_train_iter}; checkpoint written to "
                f"{self.folder.latest}; continue with --resume",
                stop.requested,
            )

    def save(self) -> None:
        """Check that the state is worth keeping, then write it; the best also by its own name."""
        self.call_hook("check", "FiniteLossHook")
        networks = {"model": self.model, "averages": self.ema_model}
        checkpoint.check_finite(networks, self.optimizer, self.folder, self.it)
        with averaged_network(self):
            if not world().first:
                self.best_is_new = False
                return
            state = checkpoint.collect(self, self.args.parts.settings)
            checkpoint.write(self.folder, state, best=self.best_is_new)
        self.best_is_new = False

    def evaluate_saved(self, path: Path, split: str) -> Scores:
        """Scores of a checkpoint's averaged weights on a split; the run's own come back afterwards.

        USB loads the best model but keeps the last averages (issue 258). A run without a better
        checkpoint than its start is scored as it is. The epoch is the checkpoint's too: CoSSL and
        TRAS predict with another head from some epoch on.
        """
        if not of_first(path.exists()):
            return dict(self.evaluate(split))
        self.ema.copy_buffers()
        own = copy.deepcopy(self.ema_model.state_dict()), copy.deepcopy(self.model.state_dict())
        saved, epoch = of_first(checkpoint.read(path) if world().first else {}), self.epoch
        self.epoch = max(0, saved["it"] - 1) // self.num_iter_per_epoch
        self.model.load_state_dict(saved["model"])
        self.ema_model.load_state_dict(saved["ema_model"])
        try:
            return dict(self.evaluate(split))
        finally:
            self.epoch = epoch
            self.ema_model.load_state_dict(own[0])
            self.model.load_state_dict(own[1])

    def load(self, state: State) -> None:
        """Go on from a checkpoint's state."""
        checkpoint.restore(self, state)
        self.ema.copy_buffers()  # its own may be those of `bn_statistics: fresh`
