"""Settings of LayerMatch's two parts (Liang et al., Sec. 5.1).

LayerMatch (Eq. 9): L = GradReLU(L_s + w_u L_u + w_ac L_AC), on FreeMatch's threshold (Tables 6
and 7).
"""

from typing import ClassVar

from pydantic import Field

from usb_ext.settings.group import SettingsGroup
from usb_ext.settings.kinds import Count, NonNegative, Share


class GradReLUSettings(SettingsGroup):
    """What switches Grad-ReLU; it has no options."""

    heading: ClassVar[str] = "Grad-ReLU (LayerMatch)"
    part_of: ClassVar[str] = "grad_relu"

    grad_relu: bool | None = Field(
        default=None,
        description="False takes Grad-ReLU away (LayerMatch, Table 4); None and True leave it as "
        "the algorithm declares it.",
    )


class AvgClusteringSettings(SettingsGroup):
    """The averaged head and its loss."""

    heading: ClassVar[str] = "Avg-Clustering (LayerMatch)"
    part_of: ClassVar[str] = "avg_clustering"

    avg_clustering: bool | None = Field(
        default=None,
        description="False takes Avg-Clustering away (LayerMatch, Table 4); else as declared.",
    )
    ac_loss_ratio: NonNegative = Field(
        default=1.0, description="Weight of the Avg-Clustering loss (LayerMatch, Eq. 9: w_ac)."
    )
    ac_reset_iter: Count = Field(
        default=2048,
        description="Iterations after which the averaged head is set to the trained one again "
        "(LayerMatch, Eq. 8: N; Table 5 tries 1, 2048 and 204800).",
    )
    ac_momentum: Share = Field(
        default=0.999, description="Momentum of the averaged head (LayerMatch, Eq. 8: m)."
    )
    ac_lr: NonNegative = Field(
        default=5e-4, description="Step size of the averaged head (LayerMatch, Eq. 8: alpha)."
    )
