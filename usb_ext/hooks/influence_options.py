"""What the influence hook is told: its settings, and which parameters an inverse looks at."""

from dataclasses import dataclass

from usb_ext.methods.influence.gradients import InverseSettings


@dataclass(frozen=True)
class InfluenceOptions:
    """Settings of the hook; the names are those of the settings without `influence_`.

    Attributes:
        every: N, training steps between two updates.
        lr: eta.
        optimizer: `m_adam`, `adam` or `sgd`.
        single: one weight for all examples.
        weight_max: upper bound of a weight; infinity for none.
        bias: whether the head's bias counts among its parameters.
        scope: `head`, `last_block` or `network`.
        shift: damping plus weight decay, on the diagonal of H.
        inverse: how H^-1 is applied.
        mean: `batch` or `selected`, what the unlabelled loss is divided by.
    """

    every: int
    lr: float
    optimizer: str
    single: bool
    weight_max: float
    bias: bool
    scope: str
    shift: float
    inverse: InverseSettings
    mean: str
