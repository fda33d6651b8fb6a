"""Settings of self-supervised pre-training, the first stage of AS3L (Sec. 5.1.2), all named `ssl_...`.

The defaults are SimSiam's for CIFAR: SGD 0.06 at batches of 512, momentum 0.9, weight decay 5e-4, 800
epochs with a cosine, a projector of two layers of 2048, a predictor of 512, no blur.

Settings of the stages between features and training (AS3L, Secs. 4.3 and 4.4), and of its report.

`usb-ext as3l` reads them; `usb-ext select` and `usb-ext propagate` have flags of the same meaning.
"""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from usb_ext.settings.group import SettingsGroup
from usb_ext.settings.kinds import Count, Decay, NonNegative, Positive, Ratio, Seed, Share, Whole


class SelfSupervisedSettings(SettingsGroup):
    """What `usb-ext pretrain` does; the network, the data and the device are those of the run."""

    heading: ClassVar[str] = "Self-supervised pre-training (usb-ext pretrain, usb-ext as3l)"

    features: str | None = Field(
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
    ssl_batch_size: Count = Field(default=512, description="Images in a batch, two views of each.")
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
"""For label_file, prior_file, pretrain_path and consistency_features: what `usb-ext as3l` makes."""


class AS3LSettings(SettingsGroup):
    """How labelled images are chosen, how labels spread, and what is watched in training."""

    heading: ClassVar[str] = "AS3L: choice, prior pseudo-labels, consistency (usb-ext as3l)"

    as3l_strategy: Literal["as3l", "random", "stratified", "kmedoids", "coreset", "usl"] = Field(
        default="as3l", description="How the num_labels images to label are chosen (Table 7)."
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
    as3l_runs: Count = Field(default=6, description="Runs of K-means (Sec. 5.1.2: C).")
    as3l_tune_epochs: Whole = Field(
        default=40, description="Epochs of feature fine-tuning (Eq. 6); 0 is none (Table 6)."
    )
    as3l_normalise: Literal["l2", "none"] = Field(
        default="l2", description="Whether features are scaled to length 1 first."
    )
    as3l_points_per_center: Count | None = Field(
        default=None, description="Images a center that K-means trains on; None is all."
    )
    as3l_labels: str | None = Field(
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
    consistency_features: str | None = Field(
        default=None,
        description="Features file: at each evaluation, log how often an unlabelled image's "
        "pseudo-label is that of its nearest neighbours there (Sec. 3, Fig. 2).",
    )
    consistency_k: Count = Field(default=20, description="Neighbours of each image for that.")

    @field_validator("as3l_clusters", mode="before")
    @classmethod
    def _clusters_as_tuple(cls, value: object) -> object:
        """A YAML list; the model itself holds a tuple."""
        return tuple(value) if isinstance(value, list) else value
