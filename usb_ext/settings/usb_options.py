"""Options of USB's algorithms, named as in USB: thresholds, other losses, unbalanced classes.

None means the algorithm's own default, which the algorithm declares and which differs between
algorithms (T is 0.5 in FixMatch and 0.4 in UDA; unsup_warm_up 1/64 in MixMatch and 0.4 in others). An
option that an algorithm does not declare does not change it. The help names who declares the option.

`imb_algorithm` is composed with the algorithm (ABC, NeurIPS 2021; DARP, NeurIPS 2020; CReST, CVPR 2021;
CoSSL and DASO and DebiasPL, CVPR 2022; Adsh and SAW, ICML 2022). The rules at the end are about the one
class that loses unlabelled images (Smooth Pseudo-Labeling, Sec. 4.3.3).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from usb_ext.settings.group import SettingsGroup
from usb_ext.settings.kinds import Count, NonNegative, Positive, Share, Whole

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings


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


class ThresholdSettings(SettingsGroup):
    """How a weak prediction becomes a target, and which examples count."""

    heading: ClassVar[str] = "Algorithm options: pseudo-labels and thresholds (None: its own)"

    hard_label: bool | None = Field(
        default=None,
        description="Targets are classes, not probabilities (FixMatch, Eq. 4). FixMatch and kin.",
    )
    T: Positive | None = Field(
        default=None,
        description="Temperature of soft targets, above 0; below 1 sharpens (MixMatch, Eq. 7). "
        "Most algorithms.",
    )
    p_cutoff: Share | None = Field(
        default=None,
        description="Confidence from which an unlabelled example counts, in [0, 1] (FixMatch, "
        "Eq. 4: tau). FixMatch and kin, UDA, Pseudo-Label.",
    )
    ema_p: Share | None = Field(
        default=None,
        description="Momentum of the running statistics of predictions, in [0, 1]. FreeMatch, "
        "SoftMatch, AdaMatch, LayerMatch, InstanT.",
    )
    eman_m: Share | None = Field(
        default=None,
        description="Momentum of the teacher, weights and batch-norm statistics alike, in [0, 1] "
        "(EMAN: 0.999). FixMatch-EMAN.",
    )
    estimation: Literal["instance", "class"] | None = Field(
        default=None,
        description="The matrix of label noise: one an example, by a network of its own, or one for "
        "all examples. InstanT.",
    )
    scale: NonNegative | None = Field(
        default=None,
        description="How much the matrix of label noise starts as the identity (Li et al.'s files: 5 "
        "for 10 classes, 10 for 100). InstanT.",
    )
    warm_up_it: Whole | None = Field(
        default=None,
        description="Iterations without the matrix of label noise; None is 10240 in 2^20 of "
        "num_train_iter, as in Li et al.'s files. InstanT.",
    )
    estimator_lr: NonNegative | None = Field(
        default=None,
        description="Learning rate of the matrix of label noise; None is Li et al.'s, 0.001 for "
        "estimation: instance, 0.01 for class. InstanT.",
    )
    ent_loss_ratio: NonNegative | None = Field(
        default=None,
        description="Weight of the fairness term (FreeMatch) or of the entropy (VAT); LayerMatch "
        "has none (Eq. 9).",
    )
    use_quantile: bool | None = Field(
        default=None,
        description="Threshold from the 0.8 quantile of the confidences, not the mean. FreeMatch.",
    )
    clip_thresh: bool | None = Field(
        default=None, description="Keep the threshold at or below 0.95. FreeMatch."
    )
    thresh_warmup: bool | None = Field(
        default=None,
        description="Count examples never selected as a class of their own. FlexMatch.",
    )
    dist_align: bool | None = Field(
        default=None, description="Align predictions to a class distribution. SoftMatch."
    )
    dist_uniform: bool | None = Field(
        default=None, description="Align to the uniform distribution. SoftMatch."
    )
    n_sigma: Count | None = Field(
        default=None,
        description="Width of the Gaussian weight in standard deviations: sigma is divided by half "
        "of it. SoftMatch.",
    )
    per_class: bool | None = Field(
        default=None, description="One Gaussian for each class. SoftMatch."
    )
    tsa_schedule: Literal["none", "linear", "log", "exp"] | None = Field(
        default=None,
        description="How fast labelled examples that are learned stop counting (training signal "
        "annealing). UDA.",
    )
    gamma: Positive | None = Field(
        default=None, description="Factor by which the loss threshold falls each time. Dash."
    )
    C: Positive | None = Field(
        default=None, description="Factor on the first loss threshold. Dash."
    )
    rho_min: NonNegative | None = Field(
        default=None, description="Smallest loss threshold, in nats. Dash."
    )
    num_wu_iter: Whole | None = Field(
        default=None, description="Iterations on labelled examples alone, before the rest. Dash."
    )
    num_wu_eval_iter: Count | None = Field(
        default=None, description="Iterations between evaluations in that warm-up. Dash."
    )


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


def instant_contradictions(s: "Settings") -> Iterator[str]:
    """A warm-up that ends within the run.

    Args:
        s: a model whose single values are already valid.
    """
    given = s.warm_up_it if s.active_base == "instant" else None
    if given is not None and given >= s.num_train_iter:
        yield (
            f"warm_up_it is {given}, not below num_train_iter {s.num_train_iter}, so InstanT's "
            f"matrix of label noise would never be used; use at most {s.num_train_iter - 1}, or leave it "
            "out for about 1 % of the run"
        )


def imbalance_contradictions(s: "Settings") -> Iterator[str]:
    """Both settings or neither, and a class that there is.

    Args:
        s: a model whose single values are already valid.
    """
    one, share = s.imbalance_class, s.imbalance_fraction
    if one is None and share is None:
        return
    if one is None or share is None:
        given, other = (
            ("imbalance_fraction", "class") if one is None else ("imbalance_class", "fraction")
        )
        yield f"{given} is {getattr(s, given)} but imbalance_{other} is not set; give both or neither"
    if isinstance(one, int) and one >= s.num_classes:
        yield (
            f"imbalance_class is {one}, but the classes are 0 to {s.num_classes - 1}; use one of those, "
            "or random"
        )
