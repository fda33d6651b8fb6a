"""The engine's data sets and loaders: what was prepared, served so that a batch hangs on seed and step."""

from typing import Any

from usb_ext.data.batched import batched_eval_loader, batched_train_loader
from usb_ext.data.batches import SeededImages
from usb_ext.data.image_store import MEBIBYTE
from usb_ext.data.loaders import eval_loader, train_loader
from usb_ext.upstream.text_nets import collate_of

LABELLED, UNLABELLED, VALIDATION = 1, 2, 7
"""Streams of random numbers of the three training loaders."""


class Loaders:
    """The part of the engine that USB's base class calls for data."""

    args: Any
    device: Any
    dataset_dict: dict[str, Any]
    num_train_iter: int

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
