"""ModelEMAHook: averaged weights for evaluation, in fused kernels.

USB's EMA clones every parameter and loads two state dicts a step. Here the averages are the parameters
of `ema_model` themselves, so there is nothing to copy. As in USB, parameters are averaged and
batch-norm statistics are copied from the network. (Removed by: patches/source/H1-averages.)

Exponential moving average of many tensors in a few fused kernels.

s <- m s + (1 - m) p for every pair, with multi-tensor operations instead of a Python loop with clones
(USB's form: 6.2 ms on WRN-28-2; this one 0.2 ms). Used for the evaluation weights of every method
(model EMA momentum of LayerMatch's Tables 6 and 7).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from usb_ext.upstream.running import OnEngine
from usb_ext.upstream.usb import Hook


@torch.no_grad()
def lerp_into(
    averages: Sequence[torch.Tensor], values: Sequence[torch.Tensor], momentum: float
) -> None:
    """Move `averages` towards `values` in place (model EMA of LayerMatch, Table 7).

    Args:
        averages: tensors of any shape (...), changed in place.
        values: as many tensors of the same shapes.
        momentum: m in [0, 1); 0 copies the values.
    """
    if not averages:
        return
    if momentum == 0.0:
        torch._foreach_copy_(list(averages), list(values))
        return
    torch._foreach_lerp_(list(averages), list(values), 1.0 - momentum)


def evaluated_state(
    model: nn.Module, averages: Mapping[str, torch.Tensor], trained: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The state that evaluation reads: averaged parameters, and the trained network's own buffers.

    Args:
        model: a network of that shape, for the names of its buffers.
        averages: `ema_model` of a checkpoint.
        trained: its `model`.

    Returns:
        Tensors by the names of `averages`.
    """
    buffers = {name for name, _ in model.named_buffers()}
    return {n: trained[n] if n in buffers and n in trained else v for n, v in averages.items()}


class SharedEMA:
    """Averages that live in `ema_model`, behind the interface of USB's EMA class.

    Args:
        model: the trained network.
        ema_model: a network of the same shape; its parameters become the averages.
        decay: m in [0, 1); 0 means no averaging.
    """

    def __init__(self, model: nn.Module, ema_model: nn.Module, decay: float) -> None:
        self.model = model
        self.ema_model = ema_model
        self.decay = decay
        self.backup: dict[str, torch.Tensor] = {}
        self._behind = False
        self._refresh()

    def _refresh(self) -> None:
        self.shadow = {n: p.data for n, p in self.ema_model.named_parameters()}
        self._buffers: dict[torch.dtype, tuple[list[torch.Tensor], list[torch.Tensor]]] = {}
        pairs = zip(self.ema_model.buffers(), self.model.buffers(), strict=True)
        for target, source in pairs:
            targets, sources = self._buffers.setdefault(source.dtype, ([], []))
            targets.append(target)
            sources.append(source)

    @torch.no_grad()
    def register(self) -> None:
        """Start the averages at the network's weights."""
        self.ema_model.load_state_dict(self.model.state_dict())

    @torch.no_grad()
    def load(self, ema_model: nn.Module) -> None:
        """Take over the weights of another network of the same shape."""
        for name, parameter in ema_model.named_parameters():
            self.shadow[name].copy_(parameter.data)

    def update(self) -> None:
        """One averaging step."""
        values = [p.data for p in self.model.parameters()]
        lerp_into(list(self.shadow.values()), values, self.decay)
        self._behind = False
        self.copy_buffers()

    def postpone(self) -> None:
        """In the place of a step without averaging: `ema_model` is made the network when it is looked at."""
        self._behind = True

    def copy_buffers(self) -> None:
        """Give `ema_model` the network's buffers, and what was postponed: statistics are not averaged."""
        if self._behind:
            self.update()
            return
        for targets, sources in self._buffers.values():
            lerp_into(targets, sources, 0.0)

    def apply_shadow(self) -> None:
        """Put the averages into the network; `restore` undoes it."""
        for name, parameter in self.model.named_parameters():
            self.backup[name] = parameter.data
            parameter.data = self.shadow[name]

    def restore(self) -> None:
        """Put the network's own weights back."""
        for name, parameter in self.model.named_parameters():
            parameter.data = self.backup[name]
        self.backup = {}


class ModelEMAHook(Hook):
    """Owns the averages; they are saved as `ema_model` in every checkpoint."""

    def before_run(self, algorithm: OnEngine) -> None:
        """Start the averages at the network; a restored checkpoint overwrites them afterwards."""
        algorithm.ema = SharedEMA(algorithm.model, algorithm.ema_model, algorithm.ema_m)
        algorithm.ema.register()

    def after_train_step(self, algorithm: OnEngine) -> None:
        """Average after the optimizer step; without averaging (`ema_m: 0`) our own step needs no pass."""
        ours = getattr(algorithm, "rule", None) is not None and algorithm.args.imb_algorithm is None
        if algorithm.ema_m == 0 and ours:  # classes of USB's read `ema_model` when they please
            algorithm.ema.postpone()
        else:
            algorithm.ema.update()
