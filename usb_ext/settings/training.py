"""Settings of the schedule, the optimizer and the network, named as in USB.

USB counts in iterations: `epoch` only cuts `num_train_iter` into equal parts, after each of which
the data is reshuffled and some thresholds (Dash) move. The learning rate goes up linearly for
`num_warmup_iter` iterations and then follows a cosine, lr cos(7 pi k / 16 K) at iteration k of K
(LayerMatch, Tables 6 and 7). Defaults are USB's, which are those of a short trial and of no
paper.
"""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from usb_ext.settings.group import SettingsGroup
from usb_ext.settings.kinds import Count, Decay, FilePath, NonNegative, Positive, Ratio, Text, Whole

Precision = Literal["off", "bf16", "fp16"]


class ScheduleSettings(SettingsGroup):
    """How long to train, with which batches and which optimizer."""

    heading: ClassVar[str] = "Schedule and optimizer"

    epoch: Count = Field(
        default=1, description="Parts that num_train_iter is cut into; it must divide it."
    )
    num_train_iter: Count = Field(default=20, description="Training iterations in all.")
    num_warmup_iter: Whole = Field(
        default=0,
        description="Iterations over which the learning rate rises to lr; below num_train_iter.",
    )
    batch_size: Count = Field(default=8, description="Labelled examples in a batch.")
    uratio: Count = Field(
        default=1,
        description="Unlabelled examples in a batch for each labelled one (FixMatch, Eq. 4: mu).",
    )
    eval_batch_size: Count = Field(
        default=16, description="Examples in an evaluation batch; the results do not depend on it."
    )
    ulb_loss_ratio: NonNegative | Literal["calibrate"] = Field(
        default=1.0,
        description="Weight of the unlabelled loss (LayerMatch, Eq. 9: w_u). calibrate measures it "
        "before the run, so that the loss with smooth_weight is as large as the hard one with weight 1 "
        "(Smooth Pseudo-Labeling, C.1).",
    )
    ema_m: Decay = Field(
        default=0.999,
        description="Momentum of the averaged network that is evaluated, in [0, 1); 0 evaluates "
        "the trained network itself.",
    )
    bn_statistics: Literal["running", "fresh"] = Field(
        default="running",
        description="Batch norm's statistics in evaluation: running, as training left them (USB); or fresh, "
        "computed from bn_images training images before each evaluation and each checkpoint, and for the "
        "features and weights that pre-training leaves. USB's WideResNets need 4,603 steps until their "
        "running ones have forgotten the initial ones.",
    )
    bn_images: int = Field(
        default=1024,
        ge=2,
        description="Training images, without augmentation and the same for every method, that fresh "
        "statistics are computed from; rounded down to whole batches of 256.",
    )
    bn_rows: Literal["separate"] | None = Field(
        default=None,
        description="separate: batch norm in training takes the statistics of the labelled and strong rows "
        "together and those of the weak views by themselves, which then need no graph. Fewer computations, "
        "and another method than with one batch of all rows, which is USB's and what none does.",
    )
    optim: Literal["SGD", "AdamW"] = Field(
        default="SGD", description="Optimizer; SGD with Nesterov momentum."
    )
    lr: Positive = Field(default=3e-2, description="Highest learning rate, above 0.")
    momentum: Decay = Field(default=0.9, description="Momentum of SGD, in [0, 1).")
    weight_decay: NonNegative = Field(
        default=5e-4, description="Weight decay; none on biases and normalisation weights."
    )
    layer_decay: Ratio = Field(
        default=1.0,
        description="Factor on the learning rate for each layer further from the head, in (0, 1]; "
        "1 is none (LayerMatch, Table 6: 0.95 on STL-10).",
    )
    clip_grad: NonNegative = Field(
        default=0.0, description="Largest norm of the gradient; 0 does not clip."
    )
    amp: Precision = Field(
        default="off",
        description="Mixed precision: off, bf16 or fp16. USB's False is off and its True is fp16.",
    )
    use_cat: bool = Field(
        default=True,
        description="One forward pass for labelled, weak and strong images together, so that batch "
        "norm sees them as one batch.",
    )

    @field_validator("amp", mode="before")
    @classmethod
    def _read_switch(cls, value: object) -> object:
        """USB's booleans, and `off` where YAML 1.1 has made it False."""
        return precision_of(value)


def precision_of(value: object) -> object:
    """The setting `amp` for what a file says: False is off, True is fp16, anything else stays.

    Args:
        value: as read; text is checked later.
    """
    if isinstance(value, bool):
        return "fp16" if value else "off"
    return value


class NetworkSettings(SettingsGroup):
    """Which network, and which weights it starts from.

    A network of USB takes `only_fc` and `only_feat` and returns `{"logits", "feat"}`; one of the
    user's own, named by module and function, may return the logits alone, or in a dict.
    """

    heading: ClassVar[str] = "Network"

    net: Text = Field(
        default="wrn_28_2",
        description="Network: a name of USB's (wrn_28_2, wrn_28_8, wrn_var_37_2, resnet50, "
        "vit_small_patch2_32, bert_base_uncased, ...), wrn_10_1, timm/NAME or torchvision/NAME for an image "
        "classifier of those libraries, or your own as package.module:function, found from the settings "
        "file's folder and the working folder too. Its module is imported, which runs its code: use only "
        "settings and modules that you trust.",
    )
    net_from_name: bool = Field(
        default=False,
        description="USB's switch for torchvision's networks; only False works, there as here.",
    )
    use_pretrain: bool = Field(
        default=False, description="Start from the weights at pretrain_path."
    )
    pretrain_path: FilePath | None = Field(
        default=None,
        description="File (of torch or safetensors) or URL of the weights; timm or torchvision for those "
        "that the library of net offers; package for ImageNet's in usb_ext[pretrained]. USB writes '' for "
        "None.",
    )
    start_from: FilePath | None = Field(
        default=None,
        description="Folder of a run that has ended, of the same network and classes, whose weights and "
        "averaged weights this run starts from, with a fresh optimizer; or of a run on features with net: "
        "linear, whose head and frozen network the whole network starts from. Wins over pretrain_path.",
    )
