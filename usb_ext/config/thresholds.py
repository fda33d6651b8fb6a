"""Options of pseudo-labels and thresholds, named as in USB.

None means the algorithm's own default, which the algorithm declares and which differs between
algorithms (T is 0.5 in FixMatch and 0.4 in UDA). An option that an algorithm does not declare
does not change it. The help names who declares the option.
"""

from typing import ClassVar, Literal

from pydantic import Field

from usb_ext.config.kinds import Count, NonNegative, Positive, Share, Whole
from usb_ext.settings.group import SettingsGroup


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
        "SoftMatch, AdaMatch, LayerMatch.",
    )
    eman_m: Share | None = Field(
        default=None,
        description="Momentum of the teacher, weights and batch-norm statistics alike, in [0, 1] "
        "(EMAN: 0.999). FixMatch-EMAN.",
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
