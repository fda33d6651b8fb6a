"""Settings of self-supervised pre-training, the first stage of AS3L (Sec. 5.1.2), all named `ssl_...`.

The defaults are SimSiam's for CIFAR: SGD 0.06 at batches of 512, momentum 0.9, weight decay 5e-4, 800
epochs with a cosine, a projector of two layers of 2048, a predictor of 512, no blur.
"""

from typing import ClassVar, Literal

from pydantic import Field

from usb_ext.config.kinds import Count, Decay, NonNegative, Positive, Ratio, Seed, Share, Whole
from usb_ext.settings.group import SettingsGroup


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
