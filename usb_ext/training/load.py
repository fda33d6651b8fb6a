"""A finished run opened again, from its folder alone: `usb_ext.load_run(folder)`.

The one place that puts settings, weights, classes and preprocessing together; it changes nothing there.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import nn

from usb_ext.core.errors import DataMissing, SettingsError, reason
from usb_ext.core.files import RunFolder, check_is_run, check_seal, json_of
from usb_ext.core.result import RunResult
from usb_ext.core.runtime import resolve_device
from usb_ext.data.feature_views import FrozenNetwork
from usb_ext.data.model_file import read_interface
from usb_ext.data.preprocessing import ImagePreprocessing, Preprocessing
from usb_ext.engine import checkpoint
from usb_ext.engine.acceleration import memory_format
from usb_ext.engine.frozen import with_images
from usb_ext.engine.network import evaluated_network
from usb_ext.inference.inputs import Images, is_image
from usb_ext.inference.predict import BATCH_SIZE, Prediction, predict
from usb_ext.settings import Settings, load_settings
from usb_ext.settings.plugin import PLUGIN
from usb_ext.training.compose import is_ours

Which = Literal["latest", "best", "previous"]
"""Which of a run's checkpoints: the newest, the one that was best on the evaluation split, or the one before
the newest."""


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """What a run has learned, and what it takes to use it.

    Attributes:
        folder: the run's folder, as it was given.
        settings: the run's, from its `config.yaml`.
        network: the averaged weights as they are evaluated, in evaluation mode, on the device that was asked
            for; from a batch of what `transform` gives, (B, 3, S, S) or (B, d), to `{"logits": (B, K), ...}`.
        classes: names of the K classes, in the order of the logits.
        transform: from one image (Pillow's, or uint8 of shape (H, W, 3)) to float32 (3, S, S), or from one
            point to float32 (d,): what evaluation feeds the network. Picklable.
        result: the run's record; None while it has not ended.
        frozen: for a run on features, the network that made them; else None.
    """

    folder: Path
    settings: Settings
    network: nn.Module
    classes: tuple[str, ...]
    transform: Preprocessing
    result: RunResult | None
    frozen: FrozenNetwork | None = None

    def on_images(self) -> "TrainedRun":
        """The run as a model of images: for one on features, with the frozen network in front of its own.

        Raises:
            DataMissing: the frozen network's weights are damaged or gone.
            SettingsError: a run on points of no images, or on features whose network was not kept.
        """
        return self if isinstance(self.transform, ImagePreprocessing) else self._with_images

    @cached_property
    def _with_images(self) -> "TrainedRun":
        if self.frozen is None:
            raise SettingsError(
                f"{self.folder} is a run on {self.settings.dataset}, whose examples are points and no "
                "images; usb_ext.load_run(...).predict(points) takes them"
            )
        device = next(self.network.parameters()).device
        whole = with_images(self.folder, self.frozen, self.settings, self.network)
        look = ImagePreprocessing(self.frozen.img_size, self.frozen.mean, self.frozen.std)
        return replace(self, network=whole.to(device), transform=look)

    def predict(self, images: Images, batch_size: int = BATCH_SIZE) -> Prediction:
        """The class of each image, and the probabilities of all classes.

        Args:
            images: uint8 of shape (N, H, W, 3), or a list of file names, of Pillow's images or of arrays
                (H, W, 3), each of its own size; one of those alone counts as a list of one. A run on
                points takes (N, d), one on features also the images they are made from.
            batch_size: examples that go through the network at once, >= 1.

        Raises:
            DataMissing: a file that cannot be decoded; the message names it.
            SettingsError: something that is no example of this run, or a wrong batch_size.
        """
        if batch_size < 1:
            raise SettingsError(f"batch_size is {batch_size}; it must be at least 1")
        run = self.on_images() if self.frozen is not None and is_image(images) else self
        return predict(run.network, run.transform, run.classes, images, batch_size)

    def predict_proba(self, images: Images, batch_size: int = BATCH_SIZE) -> NDArray[np.float32]:
        """The probabilities alone, (N, K) float32; see `predict`."""
        return self.predict(images, batch_size).probabilities


def load_run(
    folder: str | Path,
    *,
    which: Which = "latest",
    device: str = "auto",
    plugin: str | Path | None = None,
) -> TrainedRun:
    """Open a run by its folder; neither its data set nor its pre-trained weights are needed.

    Args:
        folder: what a run left, `save_dir/save_name`; it may still be training.
        which: the newest checkpoint, the one that was best on the evaluation split, or the one before the
            newest.
        device: where the network goes: auto, cpu, mps, cuda or cuda:N.
        plugin: the run's plugin, where it does not lie where it lay.

    Returns:
        Its settings, network, classes, transform and record.

    Raises:
        DataMissing: no such folder, no checkpoint yet, or a file that is damaged.
        SettingsError: an argument that is wrong, another network than the run's, or a run on texts or sounds.
    """
    place = RunFolder(Path(folder))
    path = _checkpoint(place, which)
    target = resolve_device(device)
    settings = settings_of_run(place, plugin)
    interface = read_interface(place, settings)
    if interface.transform is None:
        raise SettingsError(
            f"{place.path} is a run on {settings.dataset}; load_run opens runs on images and on points alone"
        )
    result = _result(place.result)
    finished = result is not None and result.status == "completed" and which == "latest"
    step = result.iterations if finished and result is not None else None
    network = _network(path, settings, f"there is {_others(place, which)}", step)
    layout = memory_format(network, settings.channels_last and is_ours(settings))
    return TrainedRun(
        folder=place.path,
        settings=settings,
        network=network.to(memory_format=layout).to(target),
        classes=interface.classes,
        transform=interface.transform,
        result=result,
        frozen=interface.frozen,
    )


def settings_of_run(place: RunFolder, plugin: str | Path | None = None) -> Settings:
    """The settings in a run's folder.

    Args:
        place: the folder.
        plugin: the run's plugin, where it does not lie where it lay.

    Raises:
        SettingsError: they cannot be read, or the plugin is not there.
    """
    moved = {} if plugin is None else {PLUGIN: str(plugin)}
    return load_settings(place.config, moved).settings


def _checkpoint(place: RunFolder, which: str) -> Path:
    """The checkpoint's file.

    Raises:
        DataMissing: no folder, no run's folder, or no such checkpoint in it.
        SettingsError: an unknown word.
    """
    if which not in get_args(Which):
        raise SettingsError(f"which is {which!r}; allowed: {', '.join(get_args(Which))}")
    check_is_run(place)
    path: Path = getattr(place, which)
    if not path.is_file():
        raise DataMissing(
            f"{place.path} has no checkpoint {path.name} (yet); there is {_others(place, which)}"
        )
    return path


def _others(place: RunFolder, which: str) -> str:
    """The other checkpoints that are there, in words."""
    there = [n for n in get_args(Which) if n != which and getattr(place, n).is_file()]
    return " and ".join(f"which={name!r}" for name in there) or "no other"


def _network(path: Path, settings: Settings, remedy: str, step: int | None) -> nn.Module:
    """The network of a checkpoint; the remedy is for a damaged one.

    Args:
        path: the checkpoint.
        settings: of the run.
        remedy: what else there is.
        step: where it must stand, the end of a finished run; None for anywhere.

    Raises:
        DataMissing: the file is damaged, or of another step.
        SettingsError: it is of another network.
    """
    try:
        state = checkpoint.read(path, remedy=remedy)
    except SettingsError as error:
        raise DataMissing(str(error)) from error
    if step is not None and state["it"] != step:
        raise DataMissing(
            f"{path} is of step {state['it']}, and result.json beside it tells of {step}: another checkpoint "
            f"was put in its place; {remedy}"
        )
    then = state["usb_ext"]["settings"]
    for name in ("net", "num_classes"):
        if then.get(name) != getattr(settings, name):
            raise SettingsError(
                f"{path} was trained with {name}: {then.get(name)}, but config.yaml beside it says "
                f"{getattr(settings, name)}; give it back what it said"
            )
    try:
        return evaluated_network(settings, state)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def _result(path: Path) -> RunResult | None:
    """The record in a `result.json`, None where there is none.

    Raises:
        DataMissing: it is damaged.
    """
    try:
        content: Any = json_of(path)
        check_seal(content)
        return RunResult.from_json(content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataMissing(
            f"{path} is damaged ({reason(error)}); take it away, and the run is opened without its record"
        ) from error
