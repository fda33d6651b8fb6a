"""Settings of the smooth pseudo-label weight and of the calibration that goes with it.

None means the default that the algorithm declares; the resolved settings of a run name the value.
"""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from usb_ext.config.kinds import Count, NonNegative, Positive, Ratio
from usb_ext.settings.group import SettingsGroup

CALIBRATE = "calibrate"
"""`ulb_loss_ratio` that is to be measured before the run."""

EXPONENTS = {"linear": 1.0, "sq": 2.0, "sqrt": 0.5}
"""The paper's names of its three shapes (Sec. 3.5)."""


def exponent_of(value: str | float) -> float:
    """mu for a shape's name; a number stays.

    Args:
        value: `linear`, `sq`, `sqrt` or a number, also as text.
    """
    return EXPONENTS[value] if isinstance(value, str) and value in EXPONENTS else float(value)


class SmoothSettings(SettingsGroup):
    """The weight of Smooth Pseudo-Labeling instead of a hard threshold."""

    heading: ClassVar[str] = "Smooth Pseudo-Labeling (None: the algorithm's own)"

    smooth_weight: bool | None = Field(
        default=None,
        description="False takes the smooth weight away from an algorithm that has it (its hard "
        "threshold stays); None and True leave it as declared.",
    )
    smooth_exponent: Literal["linear", "sq", "sqrt"] | Positive | None = Field(
        default=None,
        description="Shape of the weight between threshold and 1 (Smooth Pseudo-Labeling, Sec. 3.5: "
        "mu): linear is 1, sq 2, sqrt 0.5; None is 1. tau is p_cutoff or the base's own threshold.",
    )
    lambda_phi: NonNegative | None = Field(
        default=None,
        description="Weight of the factor as a loss (Smooth Pseudo-Labeling, Eq. 23), below "
        "ulb_loss_ratio (1 - tau) / s (C.2); None is 0.",
    )
    calibration_iter: Count | None = Field(
        default=None,
        description="With ulb_loss_ratio: calibrate, steps of each of the two trial runs; None is "
        "1000, or num_train_iter if that is less.",
    )
    calibration_share: Ratio | None = Field(
        default=None,
        description="Share of a trial run, at its end, that the two losses are averaged over; None "
        "is 0.5.",
    )

    @field_validator("smooth_exponent", mode="after")
    @classmethod
    def _as_number(cls, value: str | float | None) -> float | None:
        """A shape's name as the number it stands for, so that equal runs have equal settings."""
        return None if value is None else exponent_of(value)
