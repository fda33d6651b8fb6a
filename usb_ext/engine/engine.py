"""The engine: USB's base class with the parts replaced that tie it to CUDA or lose results.

It stands below an algorithm in the method resolution order, `class Run(Imbalanced, Algorithm, Engine)`,
as USB itself composes imbalanced algorithms: whatever an algorithm passes up with `super()` arrives
here, and whatever it overrides stays overridden.
"""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from inspect import signature
from typing import Any

import torch
from torch import nn

from usb_ext.core.processes import take_first, world
from usb_ext.engine import evaluation
from usb_ext.engine.acceleration import compile_network, memory_format, precision, set_tf32
from usb_ext.engine.hooks.average import ModelEMAHook
from usb_ext.engine.hooks.record import RecordHook
from usb_ext.engine.hooks.score import ScoreHook
from usb_ext.engine.hooks.update import FiniteLossHook, ParameterUpdateHook
from usb_ext.engine.loop import Loop
from usb_ext.engine.parts import Parts
from usb_ext.engine.state import ALGORITHM_SKIP, plain_fields
from usb_ext.engine.sync_norm import synchronise
from usb_ext.settings.run import save_interval
from usb_ext.upstream.loggers import AimLog, WandbLog
from usb_ext.upstream.running import Arguments, Batch, Logger, ScalarLog, Scores


class Engine(Loop):
    """What every algorithm runs on.

    Args:
        args: namespace from `arguments.build_namespace`; `args.parts` holds what the stage prepared
            (data sets, folder, progress display).
        net_builder: builds the network.
        tb_log: USB's TensorBoard log or None.
        logger: the run's logger.
        **kwargs: passed on; an imbalanced algorithm of USB's may have some.
    """

    def __init__(
        self,
        args: Arguments,
        net_builder: Callable[..., nn.Module],
        tb_log: ScalarLog | None = None,
        logger: Logger | None = None,
        **kwargs: object,
    ) -> None:
        self.device = args.parts.device
        self.folder = args.parts.folder
        self.checkpoint_iter = save_interval(args.num_save_iter, args.num_eval_iter)
        self.last_confusion: list[list[int]] = []
        self.best_is_new = False
        self.bn_processes: list[int] = []
        self.memory_format = torch.preserve_format
        super().__init__(args, net_builder, tb_log, logger, **kwargs)
        self._set_precision(args.parts.amp)

    def _set_precision(self, amp: str) -> None:
        kind = self.device.type
        self.loss_scaler = torch.amp.GradScaler(kind, enabled=amp == "fp16")
        self.amp_cm: Callable[[], AbstractContextManager[object]] = functools.partial(
            precision, amp, self.device
        )

    def set_hooks(self) -> None:
        """The engine's hooks under the names that USB's algorithms replace or call."""
        parts: Parts = self.args.parts
        per_step = self.args.batch_size * (1 + 2 * self.args.uratio)
        self.register_hook(ParameterUpdateHook(), "ParamUpdateHook", "HIGHEST")
        self.register_hook(ModelEMAHook(), "EMAHook", "HIGH")
        self.register_hook(FiniteLossHook(), "FiniteLossHook", "HIGH")
        self.register_hook(ScoreHook(), "EvaluationHook", "HIGH")
        record = RecordHook(parts.folder.metrics, parts.progress, per_step)
        self.register_hook(record, "LoggingHook", "LOW")
        for watch in parts.watches:
            for hook, name, priority in watch(self):
                self.register_hook(hook, name, priority)
        if self.args.use_wandb:
            self.register_hook(WandbLog(), "WANDBHook", "LOWEST")
        if self.args.use_aim:
            self.register_hook(AimLog(), "AimHook", "LOWEST")

    def process_batch(self, input_args: list[str] | None = None, **kwargs: Any) -> Batch:
        """The entries (`kwargs`, a batch's) that `train_step` asks for, on the device."""
        wanted = input_args or list(signature(self.train_step).parameters)
        return {
            name: evaluation.to_device(value, self.device)
            for name, value in kwargs.items()
            if name in wanted and value is not None
        }

    def evaluate(
        self, eval_dest: str = "eval", out_key: str = "logits", return_logits: bool = False
    ) -> Scores:
        """Scores of the averaged weights on a split; see `evaluation.evaluate`."""
        return evaluation.evaluate(self, eval_dest, out_key, return_logits)

    def settle(self) -> None:
        """Move to the device and remember what everything looked like before training."""
        self.place_networks()
        set_tf32(self.args.tf32, self.device)
        self.baseline = plain_fields(self, ALGORITHM_SKIP)
        self.hook_baselines = {name: plain_fields(h) for name, h in self.hooks_dict.items()}

    def place_networks(self) -> None:
        """Move both networks to the device, and compile the trained one if asked to."""
        ours = getattr(self, "rule", None) is not None  # USB's steps may `view` their feature maps
        self.memory_format = memory_format(self.model, ours and self.args.channels_last)
        for network in (self.model, self.ema_model):
            if world().size > 1 and self.args.sync_bn:
                synchronise(network)
            network.to(self.device, memory_format=self.memory_format)  # type: ignore[call-overload]
            take_first([*network.parameters(), *network.buffers()])
            network.__dict__["module"] = network  # USB reaches through DataParallel's `.module`
        compile_network(self.model, self.args.compile, self.device)
