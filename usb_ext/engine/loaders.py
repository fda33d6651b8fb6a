"""The engine's data sets and loaders: what was prepared, served so that a batch hangs on seed and step."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from usb_ext.data.batched import batched_eval_loader, batched_train_loader
from usb_ext.data.batches import SeededImages
from usb_ext.data.feature_batches import FeatureEvaluation, feature_train_loader, is_kept
from usb_ext.data.image_store import MEBIBYTE
from usb_ext.data.loaders import eval_loader, stop_workers, train_loader
from usb_ext.engine.hooks.score import HELD_OUT
from usb_ext.upstream.running import (
    Batch,
    Collate,
    Datasets,
    LoaderDict,
    OnEngine,
    TrainingLoader,
    served,
)
from usb_ext.upstream.text_nets import collate_of
from usb_ext.upstream.usb import AlgorithmBase

LABELLED, UNLABELLED, VALIDATION = 1, 2, 7
"""Streams of random numbers of the three training loaders."""


if TYPE_CHECKING:

    class Base(AlgorithmBase, OnEngine):
        """USB's base class, of whose members more are known: what the engine's own classes set."""

else:
    Base = AlgorithmBase


class Loaders(Base):
    """The part of the engine that USB's base class calls for data."""

    def set_dataset(self) -> Datasets:
        """The data sets that the stage built; sets the lengths USB's hooks ask for."""
        datasets: Datasets = dict(self.args.parts.datasets)
        unlabelled = datasets["train_ulb"]
        self.args.ulb_dest_len = 0 if unlabelled is None else len(unlabelled)
        self.args.lb_dest_len = len(served(datasets, "train_lb"))
        return datasets

    def set_data_loader(self) -> LoaderDict:
        """Loaders whose batches depend on the seed and the step alone."""
        data, args = self.dataset_dict, self.args
        loaders: LoaderDict = {
            "train_lb": self.training_loader("train_lb", args.batch_size, LABELLED)
        }
        if data["train_ulb"] is not None:
            size = args.batch_size * args.uratio
            loaders["train_ulb"] = self.training_loader("train_ulb", size, UNLABELLED)
        held_out = data.get("val")
        if held_out is not None and "influence" in getattr(self, "extensions", ()):
            size = min(args.influence_val_batch, len(held_out))
            loaders["val"] = self.training_loader("val", size, VALIDATION)
        for split in ("eval", "test"):
            if data.get(split) is not None:
                loaders[split] = self.evaluation_loader(split)
        if held_out is not None:
            loaders[HELD_OUT] = self.evaluation_loader("val")
        return loaders

    def evaluation_loader(self, split: str, stream: int | None = None) -> Iterable[Batch]:
        """A split in order; with a stream each image's random view depends on its position alone."""
        data, args = served(self.dataset_dict, split), self.args
        if is_kept(data) and stream is None:
            return FeatureEvaluation(data, args.eval_batch_size)
        if args.augment == "batched" and stream is None:
            budget = args.image_budget_mb * MEBIBYTE
            found = batched_eval_loader(data, self.device, budget, args.eval_batch_size)
            if found is not None:
                return found
        images = data if stream is None else SeededImages(data, args.seed, stream)
        loader = eval_loader(images, args.eval_batch_size, args.num_workers, self._collate())
        args.parts.loaders.append(loader)
        return loader

    def training_loader(
        self, split: str, batch_size: int, stream: int, weights: NDArray[np.float64] | None = None
    ) -> TrainingLoader:
        """The training loader of a split; USB gives the unlabelled one twice the workers."""
        data = served(self.dataset_dict, split)
        kept = is_kept(data)  # whose views are drawn in blocks, whatever `augment` says of images
        if kept or self.args.augment == "batched":
            make = feature_train_loader if kept else batched_train_loader
            return make(
                data,
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
        loader = train_loader(
            served(self.dataset_dict, split),
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
        self.args.parts.loaders.append(loader)
        return loader

    def stop_workers(self) -> None:
        """End the worker processes of all loaders of the run, those of second loops too."""
        for loader in self.args.parts.loaders:
            stop_workers(loader)

    def _collate(self) -> Collate:
        return collate_of(self.args)
