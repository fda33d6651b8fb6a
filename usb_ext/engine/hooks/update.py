"""FiniteLossHook: a run whose loss is not finite stops; USB's ends as a success with its earlier best.

The check does not wait for the device: each step only notes, on the device, the first step at which a
term was not finite. The note is read when the log is read and before a checkpoint is written, so the
last good checkpoint is never replaced by a bad one.

ParameterUpdateHook: backward, clipping, optimizer, scheduler, without waiting for the device.

USB's ParamUpdateHook records CUDA events and synchronises twice a step.

Across the processes of a run gradients are summed here, in one exchange, before anything reads them. ours:
not by DistributedDataParallel, which averages, asks for one forward pass a step and for every parameter to
get a gradient, and puts another name before each of them; our step has up to three passes, and WideResNets
have parameters without a gradient. Every process has the loss of the whole batch (`core/processes.py`), so
the sum of what they find is its gradient. USB's own steps have the mean over the process's share, so theirs
is the mean.
"""

import torch

from usb_ext.core.errors import RunFailed
from usb_ext.core.processes import of_all, sum_in_place, take_first, world
from usb_ext.upstream.running import OnEngine
from usb_ext.upstream.usb import Hook

NEVER = -1


class FiniteLossHook(Hook):
    """Owns the note of the first bad step, one entry a loss term; restarts empty with the process."""

    def __init__(self) -> None:
        super().__init__()
        self.names: tuple[str, ...] = ()
        self.first_bad: torch.Tensor | None = None

    def after_train_step(self, algorithm: OnEngine) -> None:
        """Note non-finite terms of this step; raise where the log or a checkpoint is due."""
        self._note(algorithm)
        due = self.every_n_iters(algorithm, algorithm.num_log_iter)
        if due or algorithm.checkpoint_due() or self.is_last_iter(algorithm):
            self.check(algorithm)

    @torch.no_grad()
    def _note(self, algorithm: OnEngine) -> None:
        device = algorithm.out_dict["loss"].device
        terms = {k: v for k, v in algorithm.log_dict.items() if k.endswith("loss")}
        terms["train/loss"] = algorithm.out_dict["loss"]
        values = torch.stack([torch.as_tensor(v, device=device).float() for v in terms.values()])
        if self.first_bad is None or self.names != tuple(terms):
            self.check(algorithm)  # a term came or went: the note on the old ones is read first
            self.names = tuple(terms)
            self.first_bad = torch.full((len(terms),), NEVER, device=device)
        new = ~torch.isfinite(values) & (self.first_bad == NEVER)
        self.first_bad = torch.where(new, algorithm.it, self.first_bad)

    def check(self, algorithm: OnEngine) -> None:
        """Read the note.

        Raises:
            RunFailed: naming the step and the terms that were not finite.
        """
        if self.first_bad is None:
            return
        steps = [max(each) for each in zip(*of_all(self.first_bad.tolist()), strict=True)]
        bad = [(step, name) for step, name in zip(steps, self.names, strict=True) if step != NEVER]
        if not bad:
            return
        first = min(step for step, _ in bad)
        names = ", ".join(n for step, n in bad if step == first and n != "train/loss") or "the loss"
        raise RunFailed(
            f"{names} is not finite at step {first + 1}; {algorithm.folder.kept}. Try a smaller --lr or "
            "--clip_grad 1"
        )


class ParameterUpdateHook(Hook):
    """One optimizer step from `out_dict["loss"]`; stateless."""

    def after_train_step(self, algorithm: OnEngine) -> None:
        """Backward pass and update."""
        scaler = algorithm.loss_scaler
        scaler.scale(algorithm.out_dict["loss"]).backward()  # type: ignore[no-untyped-call]
        share_gradients(algorithm)
        if algorithm.clip_grad > 0:
            scaler.unscale_(algorithm.optimizer)
            torch.nn.utils.clip_grad_norm_(algorithm.model.parameters(), algorithm.clip_grad)
        scaler.step(algorithm.optimizer)
        scaler.update()
        if algorithm.scheduler is not None:
            algorithm.scheduler.step()
        algorithm.model.zero_grad()
        if world().size > 1 and not algorithm.args.sync_bn:
            take_first(list(algorithm.model.buffers()))


def whole_loss(algorithm: OnEngine) -> bool:
    """Whether a step's loss is that of the whole batch in every process: on our step."""
    return getattr(algorithm, "rule", None) is not None


def share_gradients(algorithm: OnEngine) -> None:
    """Make each parameter's gradient that of the loss of the whole batch; nothing with one process."""
    if world().size > 1:
        found = [p.grad for p in algorithm.model.parameters() if p.grad is not None]
        sum_in_place(found, 1.0 if whole_loss(algorithm) else 1.0 / world().size)
