"""What a running algorithm has: who sets it, and when it is there.

A class of USB's or ours is built by USB's `__init__`, on the engine or in USB's own loop; the loop counts and
calls hooks; hooks, rules and extensions read and set the rest. `Running` is what both loops give, `OnEngine`
what the engine adds; what our step adds stands in `methods/step/running.py`. The comment above each group
names the moment from which its members are there; `tests/upstream/test_running.py` looks then.

Every `Any` here is open for a reason that its line gives.
"""

from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, Protocol, TypedDict

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from usb_ext.core.files import RunFolder

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings
    from usb_ext.upstream.usb import Hook

    class Arguments(Settings):
        """What USB calls `args`: every setting by its name, and what is known only once a run is made.

        To a type checker it is the settings, so that an unknown name is an error; at run time it is the
        namespace that USB's classes expect. Options of the run's own algorithm are filled in, those of
        others may still be None; only those are named here that our code reads.
        """

        # resolved: never None in a run
        label_seed: int
        ulb_loss_ratio: float
        pretrain_path: str
        # composed: in USB's words
        amp: bool  # type: ignore[assignment]  # whether; `parts.amp` says how
        gpu: torch.device  # type: ignore[assignment]
        # resolved, where the run's base declares them
        T: float
        p_cutoff: float
        hard_label: bool
        ema_p: float
        eman_m: float
        ent_loss_ratio: float
        use_quantile: bool
        clip_thresh: bool
        thresh_warmup: bool
        dist_uniform: bool
        n_sigma: int
        per_class: bool
        tsa_schedule: str  # type: ignore[assignment]  # one of its words, which are not None
        unsup_warm_up: float
        gamma: float
        C: float
        rho_min: float
        num_wu_iter: int
        num_wu_eval_iter: int
        estimation: str  # type: ignore[assignment]  # likewise
        scale: float
        # resolved, where a setting asks for what needs them
        label_file: str
        prior_file: str
        consistency_features: str
        # composed: what the stage prepared (`engine.parts.Parts`, of a room above: its users name the type)
        parts: Any
        # built: by `set_dataset`, lengths of the two training sets
        ulb_dest_len: int
        lb_dest_len: int

else:

    class Arguments(Namespace):
        """What USB calls `args`: every setting by its name, `parts`, and the training sets' lengths."""


class Served(Protocol):
    """A data set as USB's classes know it (`BasicDataset`): images, classes, views."""

    alg: str
    data: Any  # an array, images that are decoded on access, or texts: all can be indexed
    targets: ArrayLike | None  # None where USB knows no classes
    is_ulb: bool
    transform: Any  # a view as a callable, or None; `augment/recipe.py` reads what it is made of
    strong_transform: Any  # likewise

    def __len__(self) -> int:
        """How many examples."""

    def __getitem__(self, position: int, /) -> "Batch":
        """The entries of one example."""


Datasets = dict[str, Served | None]
"""USB's names to data sets: `train_lb`, `train_ulb`, `eval`, `test`, `val`; None where there is none."""

Batch = dict[str, Any]
"""Entries by USB's names. An input is a tensor, or for texts a dict of tensors, which is why it is open."""

LoaderDict = dict[str, Any]
"""USB's names to loaders: `TrainingLoader`s, and for evaluation whatever gives batches; so it is open."""

Scores = dict[str, Any]
"""Numbers by USB's names (`eval/top-1-acc`), and where logits are asked for an array (n, C) among them."""

State = dict[str, Any]
"""What a checkpoint holds by name: numbers, text, tensors, and containers of them to any depth."""

Collate = Callable[[list[Any]], Batch]
"""Makes a batch of samples, whatever the data set gives as one."""


def served(datasets: Datasets, split: str) -> Served:
    """The data set of a split that has to be there.

    Args:
        datasets: by USB's names.
        split: one of them.

    Raises:
        KeyError: there is none.
    """
    found = datasets[split]
    if found is None:
        raise KeyError(f"no data set {split}")
    return found


class TrainingLoader(Protocol):
    """Yields a batch a step; its sampler's `start_iter` is the step at which the next pass begins."""

    batch_sampler: Any  # DataLoader declares the general kind, which has no `start_iter`

    def __iter__(self) -> Iterator[Batch]:
        """Batches from `batch_sampler.start_iter` on."""


class Averages(Protocol):
    """The network's averaged weights, which are evaluated."""

    def register(self) -> None:
        """Start at the network."""

    def update(self) -> None:
        """Move towards the network."""

    def postpone(self) -> None:
        """Become the network when they are looked at."""

    def copy_buffers(self) -> None:
        """Take the network's batch-norm statistics, and what was postponed."""


class BatchNormSwitch(Protocol):
    """USB's `Bn_Controller`: lets a pass go by without moving the running statistics."""

    def freeze_bn(self, model: nn.Module) -> None:
        """Remember the statistics."""

    def unfreeze_bn(self, model: nn.Module) -> None:
        """Put them back."""


class ScalarLog(Protocol):
    """USB's `TBLog`."""

    def update(self, tb_dict: dict[str, torch.Tensor | float], it: int, /) -> None:
        """Write the values of a step."""


class Logger(Protocol):
    """What USB's classes say goes here: a `logging.Logger`, or `quiet.UsbLogger`."""

    def info(self, message: object, /) -> None:
        """Log one message."""


class StepOutput(TypedDict):
    """What a step hands to the hooks: a loss of shape () to go backward from, and features by view."""

    loss: torch.Tensor
    feat: NotRequired[dict[str, torch.Tensor]]


StepLog = dict[str, torch.Tensor | float]
"""Values by USB's names (`train/...`, `eval/...`); tensors of shape () until a hook reads them."""


class Running(Protocol):
    """What hooks find in USB's loop and in ours."""

    # built: by USB's `__init__`, from the settings
    args: Arguments
    num_classes: int
    num_train_iter: int
    num_iter_per_epoch: int
    num_eval_iter: int
    num_log_iter: int
    lambda_u: float
    ema_m: float
    use_cat: bool
    clip_grad: float
    distributed: bool
    world_size: int

    # built: by USB's `__init__`, in this order: data, networks, optimizer, losses, hooks
    it: int  # the running step from 0; after it the number of those done
    best_it: int
    best_eval_acc: float
    dataset_dict: Datasets
    loader_dict: LoaderDict
    model: nn.Module
    ema_model: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler | None
    loss_scaler: torch.amp.GradScaler
    amp_cm: Callable[[], AbstractContextManager[object]]
    bn_controller: BatchNormSwitch
    ce_loss: Callable[..., torch.Tensor]
    consistency_loss: Callable[..., torch.Tensor]
    tb_log: ScalarLog | None
    _hooks: list["Hook"]
    hooks_dict: dict[str, Any]  # what a hook has besides USB's stages knows who asks by its name

    # in a step: `epoch` by the loop, the others by `train_step`, until the next step
    epoch: int
    out_dict: StepOutput
    log_dict: StepLog

    # built: methods, of USB's classes
    def call_hook(self, fn_name: str, hook_name: str | None = None, /, **named: Any) -> Any:
        """A method of one hook, which gives what it gives, or of all that have it."""

    def registered_hook(self, hook_name: str) -> bool:
        """Whether a hook of that name is there."""

    def register_hook(
        self, hook: "Hook", name: str | None = None, priority: str = "NORMAL"
    ) -> None:
        """Put a hook after those of its priority."""

    def compute_prob(self, logits: torch.Tensor) -> torch.Tensor:
        """Probabilities (n, C) of logits (n, C); imbalanced algorithms adjust them."""

    def evaluate(
        self, eval_dest: str = "eval", out_key: str = "logits", return_logits: bool = False
    ) -> Scores:
        """Scores of the averaged weights on a split; `return_logits` adds them."""


class OnEngine(Running, Protocol):
    """What the engine adds."""

    # built: by the engine's `__init__`
    device: torch.device
    folder: RunFolder
    checkpoint_iter: int
    best_is_new: bool
    last_confusion: list[list[int]]
    memory_format: torch.memory_format

    # built: empty; what `sync_norm.note_own_rows` keeps there, in checkpoints too
    bn_processes: list[int]

    # settled: by `settle`, plain attributes as they were before training
    baseline: State
    hook_baselines: dict[str, State]

    # resumed: by `load`
    restored: bool

    # started: by the hook `EMAHook`; None before
    ema: Averages

    # built: methods, of the engine
    def start_hooks(self) -> None:
        """USB's `before_run`."""

    def train_steps(self) -> None:
        """The steps that are left."""

    def batches(self) -> Iterator[Batch]:
        """Batches of the steps that are left."""

    def one_step(self, batches: Iterator[Batch]) -> None:
        """One step, with its hooks."""

    def checkpoint_due(self) -> bool:
        """Whether the running step ends with a checkpoint."""

    def save(self) -> None:
        """Write a checkpoint."""

    def evaluate_saved(self, path: Path, split: str) -> Scores:
        """Scores of a checkpoint, as `evaluate`."""

    def place_networks(self) -> None:
        """Both networks to the device."""

    def training_loader(
        self, split: str, batch_size: int, stream: int, weights: NDArray[np.float64] | None = None
    ) -> TrainingLoader:
        """Batches that depend on seed and step alone."""

    def evaluation_loader(self, split: str, stream: int | None = None) -> Iterable[Batch]:
        """A split in order."""

    def from_step(self, loader: TrainingLoader) -> Iterator[Batch]:
        """A training loader's batches from the running step on."""
