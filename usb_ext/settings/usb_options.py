"""Options of USB's algorithms for unbalanced classes, named as in USB.

`imb_algorithm` is composed with the algorithm (ABC, NeurIPS 2021; DARP, NeurIPS 2020; CReST, CVPR
2021; CoSSL and DASO and DebiasPL, CVPR 2022; Adsh and SAW, ICML 2022). None means its own
default.
"""

from typing import ClassVar, Literal

from pydantic import Field

from usb_ext.config.kinds import Count, NonNegative, Positive, Share, Whole
from usb_ext.settings.group import SettingsGroup


class ImbalanceSettings(SettingsGroup):
    """Which method for unbalanced classes, and its numbers."""

    heading: ClassVar[str] = "Unbalanced classes (None: its own)"

    imb_algorithm: str | None = Field(
        default=None,
        description="Composed with the algorithm: abc, adsh, cossl, crest, crest+, darp, daso, "
        "debiaspl, saw, tras; None is none.",
    )
    abc_p_cutoff: Share | None = Field(
        default=None, description="Confidence from which the auxiliary head learns. ABC."
    )
    abc_loss_ratio: NonNegative | None = Field(
        default=None, description="Weight of the auxiliary head's loss. ABC."
    )
    adsh_tau_1: Share | None = Field(
        default=None, description="Threshold of the largest class. Adsh."
    )
    cossl_max_lam: Share | None = Field(
        default=None,
        description="Smallest share of an example's own feature in a mixed one, in [0, 1]. CoSSL.",
    )
    cossl_tfe_augment: Literal["weak", "strong"] | None = Field(
        default=None, description="View whose features are mixed. CoSSL."
    )
    cossl_tfe_u_ratio: Count | None = Field(
        default=None, description="Unlabelled examples for each labelled one. CoSSL."
    )
    cossl_warm_epoch: Whole | None = Field(
        default=None, description="Epochs before its second head. CoSSL."
    )
    cossl_tfe_warm_epoch: Whole | None = Field(
        default=None, description="Epochs of the second head's first training. CoSSL."
    )
    cossl_tfe_warm_lr: Positive | None = Field(
        default=None, description="Learning rate of the second head. CoSSL."
    )
    cossl_tfe_warm_ema_decay: Share | None = Field(
        default=None, description="Momentum of the averaged second head. CoSSL."
    )
    cossl_tfe_warm_wd: NonNegative | None = Field(
        default=None, description="Weight decay of the second head. CoSSL."
    )
    cossl_tfe_warm_bs: Count | None = Field(
        default=None, description="Batch of the second head's first training. CoSSL."
    )
    crest_num_gens: Count | None = Field(
        default=None, description="Generations, each with more labelled examples. CReST."
    )
    crest_dist_align_t: Share | None = Field(
        default=None, description="Temperature of the alignment in the last generation. CReST+."
    )
    crest_pro_dist_align: bool | None = Field(
        default=None, description="Align more with each generation. CReST+."
    )
    crest_alpha: Positive | None = Field(
        default=None, description="Strength of the preference for small classes. CReST."
    )
    darp_warmup_epochs: Whole | None = Field(
        default=None, description="Epochs before pseudo-labels are refined. DARP."
    )
    darp_alpha: NonNegative | None = Field(
        default=None,
        description="Entries kept in a class, as a multiple of its expected number. DARP.",
    )
    darp_iter_T: Count | None = Field(default=None, description="Steps of the refinement. DARP.")
    darp_num_refine_iter: Count | None = Field(
        default=None, description="Iterations between two refinements. DARP."
    )
    daso_queue_len: Count | None = Field(
        default=None, description="Features held for each class. DASO."
    )
    daso_T_proto: Positive | None = Field(
        default=None, description="Temperature of the similarity to the classes. DASO."
    )
    daso_T_dist: Positive | None = Field(
        default=None, description="Temperature of the class distribution. DASO."
    )
    daso_interp_alpha: Share | None = Field(
        default=None, description="Fixed share of the two labels, if not aware of frequency. DASO."
    )
    daso_with_dist_aware: bool | None = Field(
        default=None, description="Set the share for each class from its frequency. DASO."
    )
    daso_assign_loss_ratio: NonNegative | None = Field(
        default=None, description="Weight of the alignment loss. DASO."
    )
    daso_num_pl_dist_iter: Count | None = Field(
        default=None, description="Iterations over which pseudo-labels are counted. DASO."
    )
    daso_num_pretrain_iter: Whole | None = Field(
        default=None, description="Iterations before its labels are mixed in. DASO."
    )
    debiaspl_tau: NonNegative | None = Field(
        default=None, description="Strength of the adjustment of the logits. DebiasPL."
    )
    debiaspl_ema_p: Share | None = Field(
        default=None, description="Momentum of the mean prediction. DebiasPL."
    )
    tras_warmup_epochs: Whole | None = Field(
        default=None, description="Epochs before its auxiliary head learns. TRAS."
    )
    tras_A: int | None = Field(
        default=None, description="Range of the temperature over the classes. TRAS."
    )
    tras_B: int | None = Field(default=None, description="Smallest temperature. TRAS.")
    tras_tro: NonNegative | None = Field(
        default=None, description="Exponent of the class frequencies in the adjustment. TRAS."
    )
