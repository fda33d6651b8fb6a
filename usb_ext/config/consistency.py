"""Options of USB's other losses: mixing, rotation, adversarial, contrastive; named as in USB.

None means the algorithm's own default (unsup_warm_up is 1/64 in MixMatch and ReMixMatch, 0.4 in the
others). The help names who declares the option.
"""

from typing import ClassVar

from pydantic import Field

from usb_ext.config.kinds import Count, NonNegative, Positive, Share
from usb_ext.settings.group import SettingsGroup


class ConsistencySettings(SettingsGroup):
    """Weights and sizes of the losses beside the pseudo-label loss."""

    heading: ClassVar[str] = "Algorithm options: other losses (None: its own)"

    unsup_warm_up: Positive | None = Field(
        default=None,
        description="Share of num_train_iter over which the unlabelled loss rises to its weight, "
        "above 0. MixMatch, ReMixMatch, Pi-Model, Mean Teacher, Pseudo-Label, VAT.",
    )
    mixup_alpha: NonNegative | None = Field(
        default=None,
        description="Parameter of the Beta distribution that mixes two examples (MixMatch, Eq. 8); "
        "0 does not mix. MixMatch, ReMixMatch.",
    )
    mixup_manifold: bool | None = Field(
        default=None, description="Mix features, not inputs; for text. MixMatch, ReMixMatch."
    )
    rot_loss_ratio: NonNegative | None = Field(
        default=None,
        description="Weight of the rotation loss; 0 for text and sound. ReMixMatch, CRMatch.",
    )
    kl_loss_ratio: NonNegative | None = Field(
        default=None, description="Weight of the loss of the unmixed strong view. ReMixMatch."
    )
    vat_eps: Positive | None = Field(
        default=None, description="Norm of the adversarial perturbation. VAT."
    )
    vat_embed: bool | None = Field(
        default=None, description="Perturb word embeddings, not inputs; for text. VAT."
    )
    proj_size: Count | None = Field(
        default=None, description="Size of the contrastive features. CoMatch, SimMatch."
    )
    smoothing_alpha: Share | None = Field(
        default=None,
        description="Share of its own prediction in an example's target, the rest from its "
        "neighbours, in [0, 1]. CoMatch, SimMatch.",
    )
    da_len: Count | None = Field(
        default=None,
        description="Batches over which the class distribution is averaged. CoMatch, SimMatch.",
    )
    K: Count | None = Field(
        default=None, description="Labelled examples in the memory bank. SimMatch."
    )
    in_loss_ratio: NonNegative | None = Field(
        default=None, description="Weight of the instance loss. SimMatch."
    )
    contrast_p_cutoff: Share | None = Field(
        default=None,
        description="Similarity of two predictions from which they are a pair, in [0, 1]. CoMatch.",
    )
    contrast_loss_ratio: NonNegative | None = Field(
        default=None, description="Weight of the contrastive loss. CoMatch."
    )
    queue_batch: Count | None = Field(
        default=None, description="Batches held in the queue of features. CoMatch."
    )
