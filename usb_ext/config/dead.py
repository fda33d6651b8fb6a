"""Keys that occur in USB's files and that nothing in semilearn 0.3.2 reads.

Every file of USB carries `clip`; the others come from algorithms that the released wheel does not
hold. They are accepted with any single value, one warning names those that were given, and they
change nothing. A test looks for readers in the wheel, so that a key does not stay here when it
comes alive.
"""

from typing import ClassVar

from pydantic import Field

from usb_ext.config.kinds import Scalar
from usb_ext.settings.group import SettingsGroup


class DeadSettings(SettingsGroup):
    """Accepted, reported and without effect."""

    heading: ClassVar[str] = "Keys of USB's files that have no effect"

    clip: Scalar | None = Field(default=None, description="No effect; clip_grad clips gradients.")
    dist_align_target: Scalar | None = Field(
        default=None, description="No effect; SoftMatch's target is chosen by dist_uniform."
    )
    use_epass: Scalar | None = Field(default=None, description="No effect (EPASS projectors).")
    use_refix: Scalar | None = Field(default=None, description="No effect (ReFixMatch).")
    no_low: Scalar | None = Field(default=None, description="No effect (multi-head margins).")
    smoothness: Scalar | None = Field(default=None, description="No effect (multi-head margins).")
    num_heads: Scalar | None = Field(default=None, description="No effect (multi-head margins).")
    apm_percentile: Scalar | None = Field(
        default=None, description="No effect (multi-head margins)."
    )
    apm_disagreement_weight: Scalar | None = Field(
        default=None, description="No effect (multi-head margins)."
    )
    threshold_algo: Scalar | None = Field(
        default=None, description="No effect (multi-head margins)."
    )
    simis_la: Scalar | None = Field(default=None, description="No effect (SimiS).")
