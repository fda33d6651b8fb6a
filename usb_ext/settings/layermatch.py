"""Settings of LayerMatch's two parts (Liang et al., Sec. 5.1).

LayerMatch (Eq. 9): L = GradReLU(L_s + w_u L_u + w_ac L_AC), on FreeMatch's threshold (Tables 6
and 7).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from usb_ext.settings.algorithms import BASES, carriers
from usb_ext.settings.group import SettingsGroup
from usb_ext.settings.kinds import Count, NonNegative, Share

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings


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
        default=5e-4,
        description="Step size of the averaged head (LayerMatch, Eq. 8: alpha); 0 leaves a snapshot of the "
        "head, taken every ac_reset_iter iterations.",
    )


class MechanismSettings(SettingsGroup):
    """Looking on while pseudo-labels move the head."""

    heading: ClassVar[str] = "LayerMatch's reasons, as numbers"

    log_mechanism: bool = Field(
        default=False,
        description="At each evaluation, log the pseudo-labels' accuracy and coverage, the pull of each "
        "loss on the head (LayerMatch, Sec. 4.2.1), the distance of the averaged head (Eq. 8), and "
        "Theorem 4.2's quantity on 64 evaluation images. Changes nothing else.",
    )


def layermatch_contradictions(s: "Settings") -> Iterator[str]:
    """What `log_mechanism` cannot look on.

    Args:
        s: a model whose single values are already valid.
    """
    if not s.log_mechanism:
        return
    usbs = s.algorithm in BASES and s.imb_algorithm is not None and not s.extensions
    if usbs or s.step == "usb" or s.algorithm not in carriers():
        yield (
            f"log_mechanism is True but USB's own class of {s.algorithm} does not show its losses one by "
            "one; leave it out, or use a base with step: ours"
        )
    if s.without_test:
        yield (
            "without_test is true, but log_mechanism logs at evaluations, of which there are none; "
            "leave it out"
        )
