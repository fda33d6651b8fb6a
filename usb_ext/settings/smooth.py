"""Settings of Smooth Pseudo-Labeling: the weight, the calibration that goes with it, and their rules.

The factor needs a threshold tau in [0, 1) (Eq. 13), its own loss a weight below lambda_u (1 - tau) / s
(Sec. C.2).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, field_validator

from usb_ext.settings.algorithms import BASES, bases_with_threshold, declared_by, one_view
from usb_ext.settings.group import SettingsGroup
from usb_ext.settings.kinds import Count, NonNegative, Positive, Ratio

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings


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

    heading: ClassVar[str] = "Smooth Pseudo-Labeling"
    part_of: ClassVar[str] = "smooth_weight"

    smooth_weight: bool | None = Field(
        default=None,
        description="False takes the smooth weight away from an algorithm that has it (its hard "
        "threshold stays); None and True leave it as declared.",
    )
    smooth_exponent: Literal["linear", "sq", "sqrt"] | Positive = Field(
        default=1.0,
        description="Shape of the weight between threshold and 1 (Smooth Pseudo-Labeling, Sec. 3.5: "
        "mu): linear is 1, sq 2, sqrt 0.5. tau is p_cutoff or the base's own threshold.",
    )
    lambda_phi: NonNegative = Field(
        default=0.0,
        description="Weight of the factor as a loss (Smooth Pseudo-Labeling, Eq. 23), below "
        "ulb_loss_ratio (1 - tau) / s (C.2).",
    )

    @field_validator("smooth_exponent", mode="after")
    @classmethod
    def _as_number(cls, value: str | float) -> float:
        """A shape's name as the number it stands for, so that equal runs have equal settings."""
        return exponent_of(value)


class CalibrationSettings(SettingsGroup):
    """How the weight of the unlabelled loss is measured before the run (C.1)."""

    heading: ClassVar[str] = "Calibration of ulb_loss_ratio (Smooth Pseudo-Labeling)"

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


FIXED_THRESHOLD = ("fixmatch", "uda")
"""Bases whose threshold is p_cutoff for every example and at every step."""


def smooth_contradictions(settings: "Settings") -> Iterator[str]:
    """The sentences of every rule in this file.

    Args:
        settings: a model whose single values are already valid.
    """
    on = "smooth_weight" in settings.active_extensions
    for rule in (_threshold, _factor_loss) if on else (_absent,):
        yield from rule(settings)
    yield from _calibration(settings)


def _absent(s: "Settings") -> Iterator[str]:
    """What asks for the part that the run lacks; its plain options may stand there unused, so that a
    baseline runs from the same file."""
    named = [f"lambda_phi is {s.lambda_phi:g}"] if s.lambda_phi else []
    if s.ulb_loss_ratio == CALIBRATE:
        named.append(f"ulb_loss_ratio is {CALIBRATE}")
    if named:
        yield (
            f"{' and '.join(named)}, but the run has no smooth_weight; use ulb_loss_ratio: 1 and no "
            f"lambda_phi, or algorithm: {' or '.join(declared_by('smooth_weight'))}"
        )


def _threshold(s: "Settings") -> Iterator[str]:
    base = BASES.get(s.active_base or "")
    if base is not None and not base.has_threshold:
        yield (
            f"smooth_weight replaces a threshold, but base {s.active_base} has none (its weight is a "
            f"Gaussian of the confidence); bases that work: {', '.join(bases_with_threshold())}"
        )
    if s.p_cutoff == 1:
        yield (
            "p_cutoff is 1, but with smooth_weight the threshold must lie in [0, 1), for the weight "
            "rises from it to 1; use p_cutoff: 0.95 or another number below 1"
        )
    if s.imb_algorithm == "adsh":
        yield (
            "imb_algorithm is adsh, whose thresholds take the place of the base's, which "
            "smooth_weight follows; leave one of the two out"
        )


def _factor_loss(s: "Settings") -> Iterator[str]:
    if not s.lambda_phi:
        return
    if not s.use_cat and not one_view(s.algorithm):
        yield (
            f"lambda_phi is {s.lambda_phi:g} but use_cat: False computes the weak views without a "
            "gradient; use use_cat: True or lambda_phi: 0"
        )
    if float(s.smooth_exponent) < 0.5:
        yield (
            f"lambda_phi is {s.lambda_phi:g} but with smooth_exponent {float(s.smooth_exponent):g} the "
            "gradient of that loss has no bound at the threshold; use smooth_exponent: sqrt (0.5) or "
            "more, or lambda_phi: 0"
        )
    yield from _limit(s)


def _limit(s: "Settings") -> Iterator[str]:
    """The limit is largest where s_eq is smallest, at tau; what is above that is above it anyway.

    ours: the linear factor on a fixed threshold is checked here, the others while they run.
    """
    tau, weight = s.p_cutoff, s.ulb_loss_ratio
    known = s.active_base in FIXED_THRESHOLD and s.smooth_exponent == 1.0
    if not known or not tau or isinstance(weight, str):
        return
    limit = weight * (1 - tau) / tau
    if s.lambda_phi > limit:
        yield (
            f"lambda_phi is {s.lambda_phi:g}, above its limit ulb_loss_ratio (1 - p_cutoff) / s, which is "
            f"at most {limit:.4g} (s at p_cutoff) and {weight * (1 - tau):.4g} at s = 1: the weak view "
            "would be learned more than the strong one; use less"
        )


def _calibration(s: "Settings") -> Iterator[str]:
    if s.ulb_loss_ratio != CALIBRATE or s.calibration_iter is None:
        return
    if s.calibration_iter > s.num_train_iter:
        yield (
            f"calibration_iter is {s.calibration_iter}, more than num_train_iter {s.num_train_iter}; "
            f"use at most {s.num_train_iter}"
        )
