"""All training images of a data set in their own order, before any split into labelled and unlabelled.

Features, selections and prior pseudo-labels (AS3L, Sec. 4) refer to images by their place here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usb_ext.augment.recipe import recipe_of
from usb_ext.core.errors import SettingsError
from usb_ext.data.arrays import ImageArrays, Images
from usb_ext.data.feature_views import load_feature_set
from usb_ext.data.image_names import ImageIds
from usb_ext.data.prepared import Split
from usb_ext.data.sets import OWN, Source, load_arrays, open_source
from usb_ext.settings import Settings
from usb_ext.settings.feature_set import FEATURES
from usb_ext.upstream.quiet import printed_to_log
from usb_ext.upstream.running import Arguments, Datasets, served
from usb_ext.upstream.usb_datasets import load_usb_datasets


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """The training images of a data set, and what is needed to see how good features of them are.

    Attributes:
        images: uint8 (N, H, W, 3), or an object that decodes on access.
        targets: (N,) classes, -1 where unknown.
        ids: what the images are called.
        classes: class names, None where USB does not tell.
        test_images: uint8 (M, H, W, 3), or an object that decodes on access.
        test_targets: (M,) classes.
        mean: of the three channels, of pixels in [0, 1].
        std: likewise, > 0.
        hflip: whether an image keeps its class when it is mirrored.
    """

    images: Images
    targets: NDArray[np.int64]
    ids: ImageIds
    classes: tuple[str, ...] | None
    test_images: Images
    test_targets: NDArray[np.int64]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    hflip: bool


@dataclass(frozen=True, eq=False)
class Listed:
    """Which training images there are.

    Attributes:
        targets: (N,) classes, -1 where unknown.
        ids: what the images are called.
        classes: class names, None where USB does not tell.
        images: as `TrainingSet` has them; None of kept features, whose images are elsewhere.
    """

    targets: NDArray[np.int64]
    ids: ImageIds
    classes: tuple[str, ...] | None
    images: Images | None


def list_training_set(settings: Settings, source: Source | None = None) -> Listed:
    """The training images of the settings' data, of which kept features are data, too.

    Args:
        settings: name the data set.
        source: what `sets.open_source` found for it, images alone; None looks now.

    Raises:
        DataMissing, SettingsError: as in `load_training_set`.
    """
    if settings.dataset != FEATURES:
        found = load_training_set(settings, source)
        return Listed(found.targets, found.ids, found.classes, found.images)
    kept = load_feature_set(settings)
    ids = ImageIds(len(kept.train_targets), kept.train_names)
    return Listed(kept.train_targets, ids, kept.classes or None, None)


def load_training_set(settings: Settings, source: Source | None = None) -> TrainingSet:
    """The training images that the settings name.

    STL-10's 5,000 images with classes come first, then its 100,000 others (`data.build`).

    Args:
        settings: name the data set.
        source: what `sets.open_source` found for it, images alone; None looks now.

    Raises:
        DataMissing: files that are not there or cannot be read.
        SettingsError: an unknown data set, a toy set of points, or one that USB splits itself (ImageNet,
            Semi-Aves).
    """
    if settings.dataset in OWN:
        arrays = load_arrays(settings, source or open_source(settings, images_alone=True))
        if not isinstance(arrays, ImageArrays):
            raise SettingsError(f"dataset is {settings.dataset!r}, which has points and no images")
        return TrainingSet(
            arrays.train_images,
            arrays.train_targets,
            ImageIds(len(arrays.train_targets), arrays.train_names),
            arrays.classes or None,
            arrays.test_images,
            arrays.test_targets,
            arrays.mean,
            arrays.std,
            arrays.hflip,
        )
    args = Arguments(**settings.model_dump())
    args.algorithm, args.include_lb_to_ulb, args.label_seed = "fixmatch", False, 0
    with printed_to_log():
        datasets, targets, _ = load_usb_datasets(args, _everything)
    if targets is None:
        raise SettingsError(
            f"dataset is {settings.dataset!r}, which USB splits itself; put its images into class "
            "folders and use dataset: imagefolder"
        )
    unlabelled = served(datasets, "train_ulb")
    others = len(unlabelled) - len(targets) if settings.dataset == "stl10" else 0
    images = np.asarray(unlabelled.data)
    if others:
        images = np.concatenate([images[others:], images[:others]])
    known = np.concatenate([targets, np.full(others, -1)]).astype(np.int64)
    return TrainingSet(images, known, ImageIds(len(unlabelled)), None, *_held_out(datasets))


def _held_out(
    datasets: Datasets,
) -> tuple[NDArray[np.uint8], NDArray[np.int64], tuple[float, ...], tuple[float, ...], bool]:
    """USB's test images and their classes, (M,), and mean, deviation and mirroring of its views."""
    test = served(datasets, "eval")
    recipe = recipe_of(served(datasets, "train_ulb").transform)
    if recipe is None:
        raise SettingsError(
            "the views of this data set have a recipe of USB's own; use imagefolder"
        )
    targets = np.asarray(test.targets, dtype=np.int64)
    return np.asarray(test.data), targets, recipe.mean, recipe.std, recipe.hflip


def _everything(targets: NDArray[np.int64]) -> Split:
    """A split that serves every image as unlabelled, in order."""
    one, nothing = np.arange(1), np.arange(0)
    return Split(one, targets[one], np.arange(len(targets)), None, nothing, nothing)
