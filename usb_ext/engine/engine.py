"""The engine: USB's base class with the parts replaced that tie it to CUDA or lose results.

It stands below an algorithm in the method resolution order, `class Run(Imbalanced, Algorithm, Engine)`,
as USB itself composes imbalanced algorithms: whatever an algorithm passes up with `super()` arrives
here, and whatever it overrides stays overridden.
"""

import contextlib
import functools
from inspect import signature
from typing import Any

import torch

from usb_ext.data.batched import batched_eval_loader, batched_train_loader
from usb_ext.data.image_store import MEBIBYTE
from usb_ext.data.loaders import eval_loader, train_loader
from usb_ext.data.neighbours_of_run import neighbours_of_run
from usb_ext.data.seeded_images import SeededImages
from usb_ext.engine import evaluation
from usb_ext.engine.acceleration import compile_network, likes_channels_last, set_tf32
from usb_ext.engine.loop import Loop
from usb_ext.engine.state import ALGORITHM_SKIP, plain_fields
from usb_ext.hooks.boundary import boundary_hook
from usb_ext.hooks.finite_loss import FiniteLossHook
from usb_ext.hooks.label_consistency import LabelConsistencyHook
from usb_ext.hooks.model_ema import ModelEMAHook
from usb_ext.hooks.parameter_update import ParameterUpdateHook
from usb_ext.hooks.record import RecordHook
from usb_ext.hooks.score import ScoreHook
from usb_ext.upstream.text_nets import collate_of
from usb_ext.upstream.usb import AimHook, AlgorithmBase, WANDBHook

LABELLED, UNLABELLED, VALIDATION = 1, 2, 7


class Engine(Loop, AlgorithmBase):  # type: ignore[misc]
    """What every algorithm runs on.

    Args:
        args: namespace from `arguments.build_namespace`; `args.parts` holds what the stage prepared
            (data sets, folder, progress display).
        net_builder: builds the network.
        tb_log: USB's TensorBoard log or None.
        logger: the run's logger.
    """

    def __init__(
        self, args: Any, net_builder: Any, tb_log: Any = None, logger: Any = None, **kwargs: Any
    ) -> None:
        self.device = args.parts.device
        self.folder = args.parts.folder
        self.checkpoint_iter = args.num_save_iter or args.num_eval_iter
        self.last_confusion: list[list[int]] = []
        self.best_is_new = False
        self.memory_format = torch.preserve_format
        super().__init__(args, net_builder, tb_log, logger, **kwargs)
        self._set_precision(args.parts.amp)

    def _set_precision(self, amp: str) -> None:
        kind = self.device.type
        self.loss_scaler = torch.amp.GradScaler(kind, enabled=amp == "fp16")
        if amp == "off":
            self.amp_cm: Any = contextlib.nullcontext
            return
        dtype = torch.float16 if amp == "fp16" else torch.bfloat16
        self.amp_cm = functools.partial(torch.autocast, kind, dtype=dtype)

    def set_dataset(self) -> dict[str, Any]:
        """The data sets that the stage built; sets the lengths USB's hooks ask for."""
        datasets: dict[str, Any] = dict(self.args.parts.datasets)
        unlabelled = datasets["train_ulb"]
        self.args.ulb_dest_len = 0 if unlabelled is None else len(unlabelled)
        self.args.lb_dest_len = len(datasets["train_lb"])
        return datasets

    def set_data_loader(self) -> dict[str, Any]:
        """Loaders whose batches depend on the seed and the step alone."""
        data, args = self.dataset_dict, self.args
        loaders = {"train_lb": self.training_loader("train_lb", args.batch_size, LABELLED)}
        if data["train_ulb"] is not None:
            size = args.batch_size * args.uratio
            loaders["train_ulb"] = self.training_loader("train_ulb", size, UNLABELLED)
        if data.get("val") is not None and "influence" in getattr(self, "extensions", ()):
            size = min(args.influence_val_batch, len(data["val"]))
            loaders["val"] = self.training_loader("val", size, VALIDATION)
        for split in ("eval", "test"):
            if data.get(split) is not None:
                loaders[split] = self.evaluation_loader(split)
        return loaders

    def evaluation_loader(self, split: str, stream: int | None = None) -> Any:
        """A split in order; with a stream each image's random view depends on its position alone."""
        data, args = self.dataset_dict[split], self.args
        if args.augment == "batched" and stream is None:
            budget = args.image_budget_mb * MEBIBYTE
            found = batched_eval_loader(data, self.device, budget, args.eval_batch_size)
            if found is not None:
                return found
        if stream is not None:
            data = SeededImages(data, args.seed, stream)
        return eval_loader(data, args.eval_batch_size, args.num_workers, self._collate())

    def training_loader(self, split: str, batch_size: int, stream: int, weights: Any = None) -> Any:
        """The training loader of a split; USB gives the unlabelled one twice the workers."""
        if self.args.augment == "batched":
            return batched_train_loader(
                self.dataset_dict[split],
                self.args.algorithm,
                self.device,
                self.args.image_budget_mb * MEBIBYTE,
                batch_size=batch_size,
                num_iters=self.num_train_iter,
                seed=self.args.seed,
                stream=stream,
                weights=weights,
            )
        workers = self.args.num_workers * {UNLABELLED: 2, VALIDATION: 0}.get(stream, 1)
        return train_loader(
            self.dataset_dict[split],
            batch_size=batch_size,
            num_iters=self.num_train_iter,
            start_iter=0,
            seed=self.args.seed,
            stream=stream,
            num_workers=workers,
            collate_fn=self._collate(),
            weights=weights,
            pin_memory=self.device.type == "cuda",
        )

    def _collate(self) -> Any:
        return collate_of(self.args)

    def set_hooks(self) -> None:
        """The engine's hooks under the names that USB's algorithms replace or call."""
        parts = self.args.parts
        per_step = self.args.batch_size * (1 + 2 * self.args.uratio)
        self.register_hook(ParameterUpdateHook(), "ParamUpdateHook", "HIGHEST")
        self.register_hook(ModelEMAHook(), "EMAHook", "HIGH")
        self.register_hook(FiniteLossHook(), "FiniteLossHook", "HIGH")
        self.register_hook(ScoreHook(), "EvaluationHook", "HIGH")
        if self.args.consistency_features:
            watched, near = neighbours_of_run(self.args)
            consistency = LabelConsistencyHook(self.args.ulb_dest_len, watched, near)
            self.register_hook(consistency, "LabelConsistencyHook", "NORMAL")
        record = RecordHook(parts.folder.metrics, parts.progress, per_step)
        self.register_hook(record, "LoggingHook", "LOW")
        if (boundary := boundary_hook(self)) is not None:
            self.register_hook(boundary, "BoundaryHook", "VERY_LOW")
        if self.args.use_wandb:
            self.register_hook(WANDBHook(), None, "LOWEST")
        if self.args.use_aim:
            self.register_hook(AimHook(), None, "LOWEST")

    def process_batch(self, input_args: Any = None, **kwargs: Any) -> dict[str, Any]:
        """The entries that `train_step` asks for, on the device."""
        wanted = input_args or list(signature(self.train_step).parameters)
        return {
            name: evaluation.to_device(value, self.device)
            for name, value in kwargs.items()
            if name in wanted and value is not None
        }

    def evaluate(
        self, eval_dest: str = "eval", out_key: str = "logits", return_logits: bool = False
    ) -> dict[str, Any]:
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
        if ours and self.args.channels_last and likes_channels_last(self.model):
            self.memory_format = torch.channels_last
        for network in (self.model, self.ema_model):
            network.to(self.device, memory_format=self.memory_format)
            network.__dict__["module"] = network  # USB reaches through DataParallel's `.module`
        compile_network(self.model, self.args.compile, self.device)
