"""The stage `usb-ext features`: a frozen network once over views of every image, kept in a mapped file."""

import logging
import os
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from usb_ext.as3l.frozen.made import OUTPUTS, FeaturesOrder, found_record, made_with, write_record
from usb_ext.as3l.frozen.reduced import reduced
from usb_ext.as3l.frozen.views import KeptRecipe, recipe_for, view_of
from usb_ext.as3l.pretrain.loop import in_words
from usb_ext.core.errors import Interrupted, RunFailed, SettingsError, our_errors
from usb_ext.core.files import file_sha256, file_stamp, replace_file
from usb_ext.core.lock import LOCK, locked
from usb_ext.core.outputs import check_outputs, claim_outputs
from usb_ext.core.processes import by_first, first_then_others, put_together, world
from usb_ext.core.runtime import (
    RunLog,
    check_precision,
    device_name,
    resolve_device,
    seed_everything,
    versions,
)
from usb_ext.data.feature_views import (
    PLAIN,
    REDUCED,
    TEST,
    VIEWS,
    FrozenNetwork,
    mean_of_rows,
    open_views,
)
from usb_ext.data.features import Features, write_features
from usb_ext.data.fingerprint import Fingerprint, fingerprint_of, write_fingerprint
from usb_ext.data.image_store import MEBIBYTE, ImageStore
from usb_ext.data.sets import OWN, open_source
from usb_ext.data.training_set import TrainingSet, load_training_set
from usb_ext.engine.acceleration import memory_format, precision
from usb_ext.engine.frozen import keep_network
from usb_ext.engine.network import builder
from usb_ext.engine.parts import Stop
from usb_ext.settings import Settings
from usb_ext.settings.feature_set import takes_vectors
from usb_ext.settings.processes import refuse_several_features
from usb_ext.training.check import check_files, check_network
from usb_ext.training.together import together
from usb_ext.upstream.usb_datasets import check_dataset

BLOCK = 64
"""ours: images that go through the network at once; part of what decides the last bits of a feature."""

SECONDS_A_RECORD = 5.0
"""ours: so often what is done is flushed to disk and noted."""

Block = tuple[bool, range]
"""Whether of the training part, and which images."""

_log = logging.getLogger(__name__)
STOPPING = "stopping after these images (again: stop at once)"


@dataclass(frozen=True, eq=False)
class Frozen:
    """What makes features.

    Attributes:
        net: in evaluation mode, on the device.
        recipe: of the views.
        train: the training images.
        test: the test images.
        counts: how many there are of each.
        amp: the precision that the network computes in: off, bf16 or fp16.
    """

    net: nn.Module
    recipe: KeptRecipe
    train: ImageStore
    test: ImageStore
    counts: tuple[int, int]
    amp: str = "off"

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return self.counts[0] * self.recipe.views + self.counts[1]

    def blocks(self) -> list[Block]:
        """Block after block, as the file has them."""
        parts = zip((True, False), self.counts, strict=True)
        return [
            (train, range(start, min(start + BLOCK, count)))
            for train, count in parts
            for start in range(0, count, BLOCK)
        ]

    @torch.inference_mode()
    def features(self, train: bool, images: range) -> np.ndarray:
        """The rows of one block, (n, d) float16: image after image, each view after view.

        Raises:
            RunFailed: a feature that is not finite in float16.
        """
        positions = torch.arange(images.start, images.stop)
        pixels = (self.train if train else self.test).fetch(positions)
        views = range(self.recipe.views if train else 1)
        images_seen = (view_of(pixels, positions, v, self.recipe) for v in views)
        with precision(self.amp, pixels.device):
            made = [self.net(seen, only_feat=True) for seen in images_seen]
        found = torch.stack([m.flatten(1) for m in made], dim=1).to(torch.float16)
        if not torch.isfinite(found).all():
            raise RunFailed(
                f"features of images {images.start} to {images.stop - 1} are not finite in float16 (above "
                "65,504); use weights, or a network, with smaller features"
            )
        return found.flatten(0, 1).cpu().numpy()


def make_features(settings: Settings, order: FeaturesOrder, stop: Stop | None = None) -> str:
    """Keep features of all views; goes on where a command before was stopped.

    Of several processes, as torchrun starts them, each calls this and makes its share; the first one writes,
    and the bits are those of one process.

    Args:
        settings: name data, network and weights; `seed` is the views'.
        order: how many views, and where they go.
        stop: the wish to stop; by default Ctrl-C and SIGTERM.

    Returns:
        A line for a person.

    Raises:
        SettingsError: a network of vectors, a folder that holds something else, or a device for one process.
        DataMissing: data or weights that are not there or cannot be used.
        RunFailed: no room, features that are not finite, or another process works there.
        Interrupted: when asked to stop; what is done is kept.
    """
    stop, folder = stop or Stop(), order.folder(settings)
    with (
        together(settings, refuse=refuse_several_features) as here,
        our_errors("--img_size"),
        RunLog(settings.progress == "off", stop.unseen, silent=not here.first),
    ):
        device = _checked(settings)
        check_outputs(folder, OUTPUTS)
        source = open_source(settings, images_alone=True)
        found = by_first(lambda: fingerprint_of(settings, source))
        data = first_then_others(lambda: load_training_set(settings, source))
        frozen = build_frozen(settings, data, order, device)
        wanted = made_with(settings, frozen.recipe, frozen.net, found)
        record = by_first(
            lambda: found_record(folder, wanted, order.remedy, overwrite=settings.overwrite)
        )
        if record is not None and record.get("sha256") is not None:
            return f"{_summary(folder, record)} (made before)"
        with ExitStack() as stack:
            if here.first:
                claim_outputs(folder, OUTPUTS)
                stack.enter_context(locked(folder / LOCK, "a stage"))
            stack.enter_context(stop.on_signals(STOPPING))
            begun = record
            record = by_first(lambda: begun or _begun(folder, frozen, wanted, found, settings))
            _fill(folder, frozen, record, stop)
            return by_first(lambda: _finish(folder, settings, data, record))


def _checked(settings: Settings) -> torch.device:
    """The device, after all that can be refused before the data are read."""
    if takes_vectors(settings.net):
        raise SettingsError(
            f"net is {settings.net}, which takes features and makes none; name the frozen network of images, "
            "such as --net wrn_28_2, with its weights (--use_pretrain true --pretrain_path FILE)"
        )
    check_dataset(settings, OWN)
    check_files(settings, staged=True)
    device = resolve_device(settings.device)
    check_precision(settings.amp, device)
    check_network(settings, device)
    if settings.num_threads is not None:
        torch.set_num_threads(settings.num_threads)
    if not settings.use_pretrain:
        _log.warning("use_pretrain is False: the network's weights are random, from seed")
    return device


def build_frozen(
    settings: Settings, data: TrainingSet, order: FeaturesOrder, device: torch.device
) -> Frozen:
    """The network with its weights, and the images, on their device.

    Args:
        settings: of the stage.
        data: the images.
        order: how many views.
        device: where it computes.

    Raises:
        DataMissing: weights that are not there or do not fit.
    """
    s = settings
    seed_everything(s.seed)
    given = s.pretrain_path if s.use_pretrain else None
    net = builder(s)(num_classes=s.num_classes, pretrained=bool(given), pretrained_path=given)
    net.eval().to(device, memory_format=memory_format(net, s.channels_last))  # type: ignore[call-overload]
    budget = s.image_budget_mb * MEBIBYTE
    train, test = (
        ImageStore(i, s.img_size, device, budget) for i in (data.images, data.test_images)
    )
    recipe = recipe_for(s, data, order.weak, order.strong)
    return Frozen(net, recipe, train, test, (len(data.targets), len(data.test_targets)), s.amp)


def _begun(
    folder: Path, frozen: Frozen, wanted: dict[str, Any], data: Fingerprint, settings: Settings
) -> dict[str, Any]:
    """Say how large it will be and how long it will take, take the room, and note that it has begun."""
    start = time.perf_counter()
    first = frozen.features(*frozen.blocks()[0])
    seconds = (time.perf_counter() - start) * frozen.rows / len(first) / world().size
    size = 2 * frozen.rows * first.shape[1]
    count, tested = frozen.counts
    _log.info(
        "%d images x %d views and %d test images: %d numbers each, %.1f MiB in %s, about %s on %s",
        *(count, frozen.recipe.views, tested, first.shape[1], size / MEBIBYTE, folder / VIEWS),
        *(in_words(seconds), device_name(frozen.train.device)),
    )
    (folder / VIEWS).unlink(missing_ok=True)
    if size > (free := shutil.disk_usage(folder).free):
        raise RunFailed(
            f"{folder} has {free / MEBIBYTE:.0f} MiB free, and the features take {size / MEBIBYTE:.0f}; free "
            "some space, keep fewer views, or use another --out"
        )
    shape = (frozen.rows, first.shape[1])
    np.lib.format.open_memmap(folder / VIEWS, mode="w+", dtype=np.float16, shape=shape).flush()
    with (folder / VIEWS).open("rb+") as file:  # a mapped file without room would end the process
        os.posix_fallocate(file.fileno(), 0, (folder / VIEWS).stat().st_size)
    write_fingerprint(folder, data)
    recipe, kept = frozen.recipe, keep_network(folder, frozen.net)
    net = FrozenNetwork(
        settings.net, settings.num_classes, recipe.size, recipe.mean, recipe.std, kept
    )
    record = {
        "format": 1,
        "made_with": wanted,
        "images": count,
        "test_images": tested,
        "weak": recipe.weak,
        "strong": recipe.strong,
        "network": asdict(net),
        "dimensions": int(first.shape[1]),
        "done": 0,
        "seconds": 0.0,
        "sha256": None,
        "device": device_name(frozen.train.device),
        "versions": versions(),
    }
    write_record(folder, record)
    return record


def _fill(folder: Path, frozen: Frozen, record: dict[str, Any], stop: Stop) -> None:
    """Compute the blocks that are missing, in each turn one a process.

    Raises:
        Interrupted: asked to stop; what is done is on disk and noted.
    """
    rows = open_views(folder, record, "r+") if world().first else None
    total, width, here = frozen.rows, record["dimensions"], world()
    if record["done"]:
        _log.info("going on after %d of %d rows", record["done"], total)
    before, began, noted = record["seconds"], time.monotonic(), time.monotonic()
    for end, turn in _missing(frozen, record["done"], here.size):
        found = _of_turn(frozen, turn, width)
        stop.agree()
        now = time.monotonic()
        if rows is not None:
            rows[end - len(found) : end] = found
            if now - noted > SECONDS_A_RECORD or stop.requested or end == total:
                rows.flush()
                record.update(done=end, seconds=round(before + now - began, 3))
                write_record(folder, record)
                noted = now
                _log.debug("%d of %d rows", end, total)
        if stop.requested and end < total:
            raise Interrupted(
                f"stopped after {end} of {total} rows, which are kept in {folder}; give the same command "
                "again to go on",
                stop.requested,
            )


def _of_turn(frozen: Frozen, turn: list[Block], width: int) -> np.ndarray:
    """The rows of a turn's blocks, (n, d) float16; of several processes each computes one block at most."""
    own = turn[world().rank : world().rank + 1]
    found = frozen.features(*own[0]) if own else np.empty((0, width), dtype=np.float16)
    if world().size == 1:
        return found
    told = put_together(torch.from_numpy(found).to(frozen.train.device))
    return told.cpu().numpy()


def _missing(frozen: Frozen, done: int, size: int) -> Iterator[tuple[int, list[Block]]]:
    """The blocks that are not done, so many at a time, with the row after the last of them."""
    end, turn = 0, list[Block]()
    for train, images in frozen.blocks():
        end += len(images) * (frozen.recipe.views if train else 1)
        if end > done:
            turn.append((train, images))
        if turn and (len(turn) == size or end == frozen.rows):
            yield end, turn
            turn = []


def _finish(folder: Path, settings: Settings, data: TrainingSet, record: dict[str, Any]) -> str:
    """The features files of the training images, the test classes, and the record that all is there."""
    rows = open_views(folder, record)
    count, views = record["images"], 1 + record["weak"] + record["strong"]
    plain = np.asarray(rows[: count * views : views], dtype=np.float32)
    known = data.targets if (data.targets >= 0).any() else None
    for name, values in ((PLAIN, plain), (REDUCED, reduced(mean_of_rows(rows, record)))):
        made = Features(values, data.ids.ids(), known, settings.dataset, data.classes)
        write_features(folder / name, made)
    replace_file(folder / TEST, lambda path: _save(path, data.test_targets))
    stamp = file_stamp(folder / VIEWS)  # before it is read: of what is read, or older
    record.update(sha256=file_sha256(folder / VIEWS), file=stamp)
    write_record(folder, record)
    return _summary(folder, record)


def _save(path: Path, values: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, values)


def _summary(folder: Path, record: dict[str, Any]) -> str:
    views = 1 + record["weak"] + record["strong"]
    return (
        f"features of {record['images']} images x {views} views and {record['test_images']} test images, "
        f"{record['dimensions']} numbers each: {folder} (train on it with --dataset features --feature_file "
        f"{shlex.quote(str(folder))} --net mlp_256)"
    )
