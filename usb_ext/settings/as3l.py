"""Settings of AS3L: pre-training (`ssl_...`), choice and spread of labels (`as3l_...`), priors in training.

The defaults of pre-training (Sec. 5.1.2) are SimSiam's for CIFAR: SGD 0.06 at batches of 512, momentum 0.9,
weight decay 5e-4, 800 epochs with a cosine, a projector of two layers of 2048, a predictor of 512, no blur.
`usb-ext as3l` reads those of choice and spread (Secs. 4.3 and 4.4); `usb-ext select` and `usb-ext propagate`
have flags of the same meaning.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from pydantic import Field, field_validator

from usb_ext.settings.algorithms import carriers
from usb_ext.settings.group import SettingsGroup
from usb_ext.settings.kinds import (
    Count,
    Decay,
    FilePath,
    NonNegative,
    Positive,
    Ratio,
    Seed,
    Share,
    Whole,
)

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings

Strategy = Literal["as3l", "random", "stratified", "kmedoids", "coreset", "usl", "typiclust"]
"""How images to label are chosen (Table 7; `typiclust`, of Hacohen et al., 2022, is not in it)."""

STRATEGIES: tuple[str, ...] = get_args(Strategy)

RUNS = 6
"""Runs of K-means (Sec. 5.1.2: C)."""

TUNE_EPOCHS = 40
"""ours: epochs of feature fine-tuning (Eq. 6)."""


class SelfSupervisedSettings(SettingsGroup):
    """What `usb-ext pretrain` does; the network, the data and the device are those of the run."""

    heading: ClassVar[str] = "Self-supervised pre-training (usb-ext pretrain, usb-ext as3l)"

    features: FilePath | None = Field(
        default=None,
        description="Features of the training images that you have already (CLIP, DINO, ...), an .npz "
        "with `features` N x d and, better, `ids`; pre-training is skipped.",
    )
    ssl_method: Literal["simsiam", "simclr", "byol"] = Field(
        default="simsiam", description="How features are learned without labels."
    )
    ssl_epochs: Whole = Field(
        default=800,
        description="Passes over the training images; 0 takes the network as it is, such as the "
        "weights at pretrain_path.",
    )
    ssl_batch_size: int = Field(
        default=512, ge=2, description="Images in a batch, two views of each; batch norm needs two."
    )
    ssl_lr: Positive = Field(
        default=0.06, description="Highest learning rate, falling with a cosine to 0."
    )
    ssl_momentum: Decay = Field(default=0.9, description="Momentum of SGD, in [0, 1).")
    ssl_weight_decay: NonNegative = Field(
        default=5e-4, description="Weight decay, on all weights as in SimSiam's code."
    )
    ssl_projector_layers: Count = Field(default=2, description="Layers of the projector.")
    ssl_projector_dim: Count = Field(
        default=2048,
        description="Width of the projector; its output's too, but for ssl_output_dim.",
    )
    ssl_predictor_dim: Count = Field(
        default=512, description="Hidden width of the predictor. SimSiam, BYOL."
    )
    ssl_output_dim: Count | None = Field(
        default=None,
        description="Size of the projector's output; None is ssl_projector_dim for SimSiam, 128 for "
        "SimCLR and 256 for BYOL.",
    )
    ssl_temperature: Positive = Field(default=0.5, description="Temperature of the loss. SimCLR.")
    ssl_target_momentum: Share = Field(
        default=0.996,
        description="Momentum of the target network at the start; it rises to 1 with a cosine. BYOL.",
    )
    ssl_crop_min: Ratio = Field(
        default=0.2, description="Smallest share of an image's area that a view keeps, in (0, 1]."
    )
    ssl_hflip: bool | None = Field(
        default=None,
        description="Mirror half of the views; None does where an image keeps its class (not digits).",
    )
    ssl_jitter_p: Share = Field(default=0.8, description="Share of the views with changed colours.")
    ssl_jitter: Share = Field(
        default=0.4, description="Largest relative change of brightness, contrast and saturation."
    )
    ssl_hue: float = Field(
        default=0.1, ge=0, le=0.5, description="Largest turn of the hue, in turns of the circle."
    )
    ssl_grey_p: Share = Field(default=0.2, description="Share of the views without colour.")
    ssl_eval_epochs: Count = Field(
        default=10,
        description="Epochs between two looks at the features: nearest-neighbour accuracy on the test "
        "images, and whether they collapse.",
    )
    ssl_save_epochs: Count = Field(default=10, description="Epochs between two checkpoints.")
    ssl_knn: Count = Field(default=200, description="Neighbours that vote in that accuracy.")
    ssl_knn_temperature: Positive = Field(
        default=0.1, description="Temperature of the votes, exp(cosine / T)."
    )
    ssl_seed: Seed = Field(
        default=0,
        description="Seed of pre-training; apart from seed, so that runs share one set of features.",
    )
    ssl_name: str | None = Field(
        default=None,
        description="Name of pre-training's folder in save_dir; None makes it, such as "
        "simsiam_digits_wrn_10_1_s0.",
    )


TO_LABEL = "to_label.csv"
"""Beside a selection: its images, for a person to fill in their classes."""

AUTO = "auto"
"""For label_file, prior_file, pretrain_path and consistency_features: what AS3L's stages make first."""


class AS3LSettings(SettingsGroup):
    """How labelled images are chosen, how labels spread, and what is watched in training."""

    heading: ClassVar[str] = "AS3L: choice, prior pseudo-labels, consistency (usb-ext as3l)"

    as3l_strategy: Strategy = Field(
        default="as3l", description="How the num_labels images to label are chosen (Table 7)."
    )
    as3l_choose_on: Literal["auto", "self", "fine"] = Field(
        default="auto",
        description="Features that images are chosen on: f_self as they come, or f_fine, fine-tuned (Eq. 6; "
        "Table 6); auto is f_fine for the strategy as3l and f_self for the others.",
    )
    as3l_usl: Literal["auto", "cifar10", "cifar100"] = Field(
        default="auto",
        description="Whose constants the strategy usl takes: its authors' for CIFAR-10 (w 0.5, alpha 0.5, no "
        "horizon) or CIFAR-100 (1, 1, 1); auto is the latter on cifar100, else the former.",
    )
    as3l_candidates: Literal["all", "known"] = Field(
        default="all",
        description="Which images may be chosen: all, or those whose class the data set knows (STL-10: "
        "5,000 of 105,000; the others nobody labels).",
    )
    as3l_name: str | None = Field(
        default=None,
        description="Name of the folder in save_dir for the choice and its prior pseudo-labels; None "
        "makes it, such as labels_digits_as3l_10_s0.",
    )
    as3l_runs: Count = Field(default=RUNS, description="Runs of K-means (Sec. 5.1.2: C).")
    as3l_tune_epochs: Whole = Field(
        default=TUNE_EPOCHS,
        description="Epochs of feature fine-tuning (Eq. 6); 0 is none (Table 6).",
    )
    as3l_normalise: Literal["l2", "centered", "none"] = Field(
        default="l2",
        description="Whether features are scaled to length 1 first, or their mean is subtracted before "
        "that, without which features that are never negative all point the same way.",
    )
    as3l_points_per_center: Count | None = Field(
        default=None,
        description="Images a center that K-means and seed K-means train on, for sets of millions; None "
        "is all.",
    )
    as3l_labels: FilePath | None = Field(
        default=None,
        description="CSV `id,class` that a person filled in for the chosen images; None takes the "
        "classes of the data set.",
    )
    as3l_method: Literal["seed_kmeans", "llgc"] = Field(
        default="seed_kmeans", description="How labels spread (Table 8)."
    )
    as3l_clusters: tuple[Count, ...] | None = Field(
        default=None,
        description="Clusters of each run of seed K-means (Table 9: K); None is 1 to 6 times the "
        "number of classes.",
    )
    as3l_seeding: Literal["split", "class"] = Field(
        default="split",
        description="Clusters with labels: as many as there are labels for, or one a class.",
    )
    as3l_normaliser: Literal["row", "runs"] = Field(
        default="row", description="Votes divided by their sum, or by the number of runs."
    )
    consistency_features: FilePath | None = Field(
        default=None,
        description="Features file: at each evaluation, log how often an unlabelled image's "
        "pseudo-label is that of its nearest neighbours there (Sec. 3, Fig. 2).",
    )
    consistency_k: Count = Field(default=20, description="Neighbours of each image for that.")
    trained_consistency: bool = Field(
        default=False,
        description="At each evaluation, log how often a test image's true class is that of its nearest "
        "neighbours in the features of the network as it is then (Sec. 3, Fig. 2).",
    )

    @field_validator("as3l_clusters", mode="before")
    @classmethod
    def _clusters_as_tuple(cls, value: object) -> object:
        """A YAML list; the model itself holds a tuple."""
        return tuple(value) if isinstance(value, list) else value


class PriorSettings(SettingsGroup):
    """Prior pseudo-labels in training."""

    heading: ClassVar[str] = "AS3L: prior pseudo-labels in training"
    part_of: ClassVar[str] = "prior_label"

    prior_label: bool | None = Field(
        default=None,
        description="False takes the prior pseudo-labels away (AS3L, Table 5); else as declared.",
    )
    prior_file: FilePath | None = Field(
        default=None,
        description="Prior pseudo-labels, the prior.npz of `usb-ext propagate`; needed by "
        "prior_label.",
    )
    prior_until: Whole = Field(
        default=6720,
        description="Iterations in which they join the weak predictions (AS3L, Eq. 5: T; its 60 "
        "epochs of 112 iterations on CIFAR); 0 is the base.",
    )


def usl_of(chosen: str, dataset: str | None) -> str:
    """Whose constants the strategy `usl` takes (Table 8): those of `cifar10` or of `cifar100`.

    Args:
        chosen: as the setting `as3l_usl`.
        dataset: name of the data set, None where none is named.
    """
    if chosen != "auto":
        return chosen
    return "cifar100" if dataset == "cifar100" else "cifar10"


def as3l_contradictions(settings: "Settings") -> Iterator[str]:
    """The sentences of every rule in this file.

    Args:
        settings: a model whose single values are already valid.
    """
    for rule in (_prior, _consistency):
        yield from rule(settings)


def _prior(s: "Settings") -> Iterator[str]:
    if s.prior_file is None and "prior_label" in s.active_extensions:
        yield (
            "prior_label needs prior_file, the prior.npz that `usb-ext propagate` writes; or use "
            "prior_label: False to run without prior pseudo-labels"
        )


def _consistency(s: "Settings") -> Iterator[str]:
    if s.consistency_features is not None and (s.step == "usb" or s.algorithm not in carriers()):
        yield (
            f"consistency_features is {s.consistency_features!r} but USB's own class of {s.algorithm} "
            "does not show its pseudo-labels; leave it out, or use a base with step: ours"
        )
