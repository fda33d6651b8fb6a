"""Settings of the data: which set, which part is labelled, how an example is prepared; and their rules.

The toy sets `linear`, `circles` and `moons` are those of Ren et al., 2020, Sec. 4.1.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, field_validator

from usb_ext.settings.feature_set import ARRAYS, FEATURES, takes_vectors
from usb_ext.settings.group import SettingsGroup
from usb_ext.settings.kinds import (
    Count,
    FilePath,
    NonNegative,
    Positive,
    Ratio,
    Seed,
    Share,
    Text,
    Whole,
)

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings


OWN_SPLIT: tuple[str, ...] = ("imagenet", "semi_", "fsdnoisy")
"""Beginnings of the names of data sets whose labelled part is not drawn evenly per class.

USB takes a share of the images (imagenet, imagenet127) or the labelled part that the data set comes
with (semi_aves, semi_inat, fsdnoisy).
"""


def has_own_split(dataset: str) -> bool:
    """Whether the labelled part of a data set is fixed elsewhere than by a draw per class.

    Args:
        dataset: name as in the setting `dataset`.
    """
    return dataset.startswith(OWN_SPLIT)


UNKNOWN_CLASSES: tuple[str, ...] = ("stl10",)
"""Data sets with an unlabelled part whose classes nobody knows, beside images whose classes are known."""

OF_ITSELF: dict[str, float] = {"imagenet127": 286.0}
"""Ratio of the largest to the smallest class that a data set has without being cut (USB's files name it)."""


class DatasetSettings(SettingsGroup):
    """The data set and its labelled and unlabelled parts.

    With a ratio r other than 1 between the largest and the smallest of K classes, class c of a
    largest one with n images has n |r|^(-c/(K-1)); a negative r reverses the order of the classes
    (USB).
    """

    heading: ClassVar[str] = "Data"

    dataset: Text = Field(
        default="cifar10", description="Data set: cifar10, cifar100, stl10, svhn, aclImdb, ..."
    )
    data_dir: FilePath = Field(default="./data", description="Folder that holds the data sets.")
    num_classes: int = Field(default=10, ge=2, description="Number of classes, at least 2.")
    svhn_extra: bool | None = Field(
        default=None,
        description="For svhn: whether its 531,131 images of `extra` join the 73,257 of `train`. None and "
        "True join them, as USB does; False leaves them out (the authors' code of influence weighting).",
    )
    class_list: FilePath | None = Field(
        default=None,
        description="For imagefolder: a file with one class folder a line, such as n01440764; only "
        "these count, numbered from 0 in the file's order (LayerMatch, Table 3: ImageNet-100). For "
        "features of images without classes: the classes, one a line.",
    )
    num_labels: Count = Field(
        default=400,
        description="Labelled examples in all; with lb_imb_ratio other than 1, those of the "
        "largest class.",
    )
    label_split: Literal["per_class", "random", "file"] = Field(
        default="per_class",
        description="How the labelled examples are chosen: the same number of each class; "
        "uniformly from the whole set (Smooth Pseudo-Labeling, sec. 4.5); or as label_file "
        "lists them.",
    )
    label_file: FilePath | None = Field(
        default=None, description="List of the labelled examples; needed by label_split: file."
    )
    num_val: Whole | None = Field(
        default=None,
        description="Labelled training images held out as a validation set, as even over the classes "
        "as they allow; neither trained on nor served as unlabelled. None or 0 holds none out.",
    )
    val_index_file: FilePath | None = Field(
        default=None,
        description="List of the validation images, in the formats of label_file; instead of num_val.",
    )
    include_lb_to_ulb: bool = Field(
        default=True, description="Serve the labelled examples as unlabelled ones too."
    )
    lb_imb_ratio: float = Field(
        default=1.0,
        description="Ratio of the largest to the smallest class among the labelled examples; 1 is "
        "balance, negative reverses the classes.",
    )
    ulb_imb_ratio: float = Field(
        default=1.0, description="The same for the unlabelled examples; needs ulb_num_labels."
    )
    ulb_num_labels: Count | None = Field(
        default=None,
        description="Unlabelled examples in all, or of the largest class where ulb_imb_ratio is "
        "not 1; None takes all that are left.",
    )
    imbalance_class: Whole | Literal["random"] | None = Field(
        default=None,
        description="One class that loses unlabelled images (Smooth Pseudo-Labeling, Sec. 4.3.3): its "
        "number, or random to draw it from label_seed; None is none.",
    )
    imbalance_fraction: Share | None = Field(
        default=None,
        description="Share of its unlabelled images that imbalance_class keeps, in [0, 1].",
    )
    train_sampler: Literal["RandomSampler", "WeightedRandomSampler"] = Field(
        default="RandomSampler", description="USB's name of the training sampler."
    )
    without_test: bool = Field(
        default=False,
        description="For imagefolder: there is no test split; nothing is evaluated, and the last "
        "checkpoint is the result.",
    )
    num_workers: Whole = Field(
        default=1, description="Processes that load data; the batches do not depend on it."
    )
    skip_bad_images: bool = Field(
        default=False,
        description="Leave out, with a warning, image files that cannot be read; otherwise the "
        "first one ends the run.",
    )
    cache_budget_mb: Whole = Field(
        default=4096,
        description="Memory for decoded images in MiB; 0 decodes each image every time.",
    )
    image_cache: FilePath | None = Field(
        default=None,
        description="For imagefolder: a folder for decoded images of img_size; the first run decodes each "
        "image once into a mapped file there, later ones read it. Its size is said, and refused without "
        "room, before any image is decoded.",
    )
    img_size: Count = Field(
        default=32,
        description="Height and width of an image in pixels; with net: timm/NAME or torchvision/NAME, where "
        "it is not given, what that network was made for.",
    )
    crop_ratio: Ratio = Field(
        default=0.875,
        description="Share of the resized image that a crop keeps, in (0, 1].",
    )
    max_length: Count = Field(default=512, description="Longest text in tokens.")
    max_length_seconds: Positive = Field(default=4.0, description="Longest sound in seconds.")
    sample_rate: Count = Field(default=16000, description="Sound samples per second (Hz).")

    @field_validator("lb_imb_ratio", "ulb_imb_ratio")
    @classmethod
    def _a_ratio(cls, value: float) -> float:
        """A ratio of a larger to a smaller class has a magnitude of at least 1."""
        if abs(value) >= 1:
            return value
        raise ValueError("a number of at least 1, or of at most -1 for the reverse order")

    @field_validator("svhn_extra")
    @classmethod
    def _as_usb(cls, value: bool | None) -> bool | None:
        """One spelling of what USB does, so that it is one setting."""
        return None if value else value


def image_cache_contradictions(s: "Settings") -> Iterator[str]:
    """A cache of decoded files for images that are no files.

    Args:
        s: a model whose single values are already valid.
    """
    if s.image_cache is not None and s.dataset != "imagefolder":
        yield (
            f"image_cache is {s.image_cache!r}, but dataset is {s.dataset}, which has no image files to "
            "decode; leave it out"
        )


def unlabelled_contradictions(s: "Settings") -> Iterator[str]:
    """Wishes about classes and numbers of images that a data set's own parts do not let be done.

    Where classes of unlabelled images are not known (STL-10) none of them can be cut; where USB makes the
    split nothing can be.

    Args:
        s: a model whose single values are already valid.
    """
    if s.svhn_extra is not None and s.dataset != "svhn":
        yield f"svhn_extra is {s.svhn_extra}, but dataset is {s.dataset}; leave it out"
    own = has_own_split(s.dataset)
    if s.dataset not in UNKNOWN_CLASSES and not own:
        return
    why = (
        f"USB splits {s.dataset} itself"
        if own
        else f"the classes of the unlabelled images of {s.dataset} are not known, so none can be cut"
    )
    itself = OF_ITSELF.get(s.dataset, 1.0)
    if s.ulb_num_labels is not None:
        yield f"ulb_num_labels is {s.ulb_num_labels}, but {why}; leave it out"
    if s.ulb_imb_ratio not in (1, itself):
        yield f"ulb_imb_ratio is {s.ulb_imb_ratio:g}, but {why}; use ulb_imb_ratio: 1"
    if own and s.lb_imb_ratio not in (1, itself):
        yield f"lb_imb_ratio is {s.lb_imb_ratio:g}, but {why}; use lb_imb_ratio: 1"
    if s.imbalance_class is not None:
        yield (
            f"imbalance_class is {s.imbalance_class}, but {why}; leave it and imbalance_fraction out"
        )


TOYS: tuple[str, ...] = ("linear", "circles", "moons")
"""Data sets whose examples are points of the plane."""

POINT_NET = "mlp_100_100"
"""The network that takes such points, beside the user's own."""


class ToySettings(SettingsGroup):
    """The points, their views, and the picture of the decision boundary."""

    heading: ClassVar[str] = "Toy sets (linear, circles, moons)"

    toy_train: Count = Field(
        default=1040,
        description="Training points: the labelled, those of num_val, and the rest unlabelled.",
    )
    toy_test: Count = Field(default=1000, description="Test points.")
    toy_noise: NonNegative | None = Field(
        default=None,
        description="Standard deviation of the points around their curve or centre; None is 0.25 for "
        "linear and 0.1 for circles and moons.",
    )
    toy_seed: Seed = Field(
        default=0, description="Seed of the points, apart from seed and label_seed."
    )
    toy_weak: NonNegative = Field(
        default=0.0, description="Standard deviation of the noise in a weak view; 0 is the point."
    )
    toy_strong: NonNegative = Field(
        default=0.1, description="Standard deviation of the noise in a strong view."
    )
    boundary_panels: Count = Field(
        default=4,
        description="Steps at which boundary.png shows data of two features: the first, the last, and "
        "others evenly between; 1 is the last alone.",
    )


def toy_contradictions(settings: "Settings") -> Iterator[str]:
    """Points for a network that takes images, or images for one that takes points.

    Args:
        settings: a model whose single values are already valid.
    """
    dataset, net = settings.dataset, settings.net
    points = dataset in TOYS or dataset == FEATURES
    if ":" in net or (points or settings.feature_size is not None) == takes_vectors(net):
        return
    if dataset == FEATURES:
        yield (
            f"net is {net}, which does not take features; use net: linear, mlp_256 (hidden units), or your "
            "own as package.module:function"
        )
        return
    if settings.feature_size is not None:
        yield (
            f"feature_size is {settings.feature_size}, but net {net} takes no vectors; leave it out, or use "
            "net: linear or mlp_256"
        )
        return
    if dataset in TOYS:
        yield (
            f"net is {net}, which does not take the points of dataset {dataset}; use net: "
            f"{POINT_NET}, or your own as package.module:function"
        )
    else:
        yield f"net is {net}, which takes points or features, but dataset is {dataset}"


TEXTS: tuple[str, ...] = (
    "aclImdb", "ag_news", "amazon_review", "dbpedia", "yahoo_answers", "yelp_review",
)  # fmt: skip
"""USB's data sets of texts."""

TEXT_NETS: tuple[str, ...] = ("bert_base_uncased", "bert_base_cased")
"""USB's networks for texts."""

AUDIO: tuple[str, ...] = (
    "esc50", "fsdnoisy", "gtzan", "superbks", "superbsi", "urbansound8k",
)  # fmt: skip
"""USB's data sets of sounds."""

AUDIO_NETS: tuple[str, ...] = ("wave2vecv2_base", "hubert_base")
"""USB's networks for sounds."""

MIXING: tuple[str, ...] = ("mixmatch", "remixmatch")
"""Algorithms that mix inputs, which texts are not; USB mixes their features instead."""


def text_contradictions(settings: "Settings") -> Iterator[str]:
    """Sentences about texts for other networks, and about ways through one that need images.

    Args:
        settings: a model whose single values are already valid.
    """
    dataset, net = settings.dataset, settings.net
    texts = dataset in TEXTS
    if texts and net not in TEXT_NETS:
        yield f"net is {net}, but dataset {dataset} holds texts; use net: {' or '.join(TEXT_NETS)}"
    elif net in TEXT_NETS and not texts:
        yield f"net is {net}, which reads texts, but dataset is {dataset}"
    if texts and settings.use_cat:
        yield (
            f"use_cat is True, but the texts of {dataset} are padded part by part and cannot be joined "
            "to one batch; use use_cat: False"
        )
    if texts and settings.algorithm in MIXING and not settings.mixup_manifold:
        yield (
            f"mixup_manifold is {settings.mixup_manifold}, but {settings.algorithm} cannot mix texts "
            "themselves; use mixup_manifold: True"
        )


def audio_contradictions(settings: "Settings") -> Iterator[str]:
    """Sounds for a network of images, or images for one of sounds.

    Args:
        settings: a model whose single values are already valid.
    """
    dataset, net = settings.dataset, settings.net
    if dataset in AUDIO and net not in AUDIO_NETS and ":" not in net:
        yield f"net is {net}, but dataset {dataset} holds sounds; use net: {' or '.join(AUDIO_NETS)}"
    elif net in AUDIO_NETS and dataset not in AUDIO:
        yield f"net is {net}, which hears sounds, but dataset is {dataset}"


def without_test_contradictions(s: "Settings") -> Iterator[str]:
    """Only a folder of the user's may lack a test split, and nothing that is asked for may need one.

    Args:
        s: a model whose single values are already valid.
    """
    if not s.without_test:
        return
    if s.dataset not in ("imagefolder", FEATURES, ARRAYS):
        yield (
            f"without_test is true, but dataset is {s.dataset}, which has a test split; leave it out, or "
            "use dataset: imagefolder"
        )
    if s.active_base == "dash":
        yield (
            "without_test is true, but dash sets its threshold by the loss on the test split (as in USB); "
            "use another base, such as flexmatch"
        )
    if s.consistency_features is not None:
        yield (
            "without_test is true, but consistency_features is logged at evaluations, of which there are "
            "none; leave it out"
        )
    if s.trained_consistency:
        yield (
            "without_test is true, but trained_consistency is measured on the test images; leave it out"
        )
