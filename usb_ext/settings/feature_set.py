"""Settings of a data set of features: what a frozen network says of views, and the networks for it."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from usb_ext.settings.group import SettingsGroup
from usb_ext.settings.kinds import Count, Decay, FilePath, NonNegative

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings

FEATURES = "features"
"""The data set whose examples are features that `usb-ext features` has kept."""

ARRAYS = "arrays"
"""The data set that a program hands over in memory, as `usb_ext.SemiSupervisedClassifier` does."""

KEPT = (FEATURES, ARRAYS)
"""Data sets of features whose training images are all at hand."""

ROTATING: tuple[str, ...] = ("remixmatch",)
"""Algorithms that turn an image, of which no feature is kept."""

_VECTOR_NET = re.compile(r"linear|mlp(?:_[1-9]\d{0,5})+")


def of_another(named: str | None, dataset: str) -> bool:
    """Whether a file that names a data set cannot belong to a run on `dataset`.

    Args:
        named: what the file says; None tells nothing.
        dataset: the run's. Kept features are of some data set's images, so that any name may be theirs.
    """
    return dataset != FEATURES and named not in (None, dataset)


class FeatureSetSettings(SettingsGroup):
    """Training on vectors instead of images."""

    heading: ClassVar[str] = "Features of a frozen network (dataset: features)"

    feature_file: FilePath | None = Field(
        default=None,
        description="The folder that `usb-ext features` has left, or its views.npy; for dataset: features.",
    )
    feature_size: Count | None = Field(
        default=None,
        description="Numbers that an example of dataset: features, or of your own data set of vectors, has; "
        "a run on features fills it in from the file.",
    )
    feature_transform: Literal["none", "power"] = Field(
        default="none",
        description="What net: linear or mlp_256 does with an example first: nothing, or square root, length "
        "1 and centre (Hu et al., 2021), from which few labels gain.",
    )
    feature_noise: NonNegative | None = Field(
        default=None,
        description="Where no views are kept (SemiSupervisedClassifier): standard deviation of the Gaussian "
        "noise that the weak and the strong view of a vector add to each number; None is 0.",
    )
    feature_dropout: Decay | None = Field(
        default=None,
        description="Where no views are kept: share of its numbers that a strong view sets to 0, drawn anew "
        "for each view; None is 0.",
    )


def takes_vectors(net: str) -> bool:
    """Whether a network is one of ours for vectors: `linear`, or `mlp_256_64` with hidden units.

    Args:
        net: its name.
    """
    return _VECTOR_NET.fullmatch(net) is not None


def hidden_units(net: str) -> tuple[int, ...]:
    """Units of the hidden layers, from the first to the last; none of `linear`.

    Args:
        net: a name that `takes_vectors`.
    """
    return tuple(int(part) for part in net.split("_")[1:])


def feature_contradictions(s: "Settings") -> Iterator[str]:
    """A set of features without its file, or an algorithm that needs more of an image than kept views.

    Args:
        s: a model whose single values are already valid.
    """
    if s.feature_transform != "none" and not (takes_vectors(s.net) and s.dataset in KEPT):
        yield (
            f"feature_transform is {s.feature_transform}, which net: linear and mlp_256 do on dataset: "
            f"features, but net is {s.net} and dataset {s.dataset}; leave it out"
        )
    if s.dataset != FEATURES:
        if s.feature_file is not None:
            yield f"feature_file is {s.feature_file!r}, but dataset is {s.dataset}; use dataset: features"
        return
    for name in ("feature_noise", "feature_dropout"):
        if (value := getattr(s, name)) is not None:
            yield f"{name} is {value}, but dataset: features has kept views; leave it out"
    if s.feature_file is None:
        yield (
            "dataset: features needs feature_file, the folder that `usb-ext features --c FILE` has made"
        )
    if s.algorithm in ROTATING:
        yield (
            f"algorithm is {s.algorithm}, which turns images, and dataset: features keeps no turned views; "
            "use another algorithm"
        )
