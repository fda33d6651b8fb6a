"""Settings of our own step: a base, extensions on it, and the numbers of LayerMatch and AS3L.

LayerMatch (Eq. 9): L = GradReLU(L_s + w_u L_u + w_ac L_AC), on FreeMatch's threshold (Tables 6
and 7). With no extension a base equals USB's algorithm of that name.
"""

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from usb_ext.settings.group import SettingsGroup
from usb_ext.settings.kinds import Count, NonNegative, Share, Whole
from usb_ext.settings.names import EXTENSIONS, Base


def _name_the_known(schema: dict[str, Any]) -> None:
    """Name the known extensions in messages and on the help page."""
    schema["items"] = {"enum": list(EXTENSIONS)}


class ExtensionSettings(SettingsGroup):
    """What the one `train_step` is made of."""

    heading: ClassVar[str] = "Bases and extensions (LayerMatch, AS3L)"

    base: Base | None = Field(
        default=None,
        description="How weights and targets are made, for layermatch and weak_strong; None is the "
        "algorithm's own: freematch for layermatch, fixmatch for weak_strong.",
    )
    extensions: tuple[str, ...] = Field(
        default=(),
        description="What to put on a base: grad_relu (LayerMatch, Sec. 4.2.1), avg_clustering "
        "(LayerMatch, Eq. 8), both of which layermatch has already; smooth_weight (Smooth "
        "Pseudo-Labeling, Eq. 13); influence (Ren et al.); prior_label (AS3L, Eq. 5).",
        json_schema_extra=_name_the_known,
    )
    grad_relu: bool | None = Field(
        default=None,
        description="False takes Grad-ReLU away (LayerMatch, Table 4); None and True leave it as "
        "the algorithm declares it.",
    )
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
    prior_label: bool | None = Field(
        default=None,
        description="False takes the prior pseudo-labels away (AS3L, Table 5); else as declared.",
    )
    prior_file: str | None = Field(
        default=None,
        description="Prior pseudo-labels, the prior.npz of `usb-ext propagate`; needed by "
        "prior_label.",
    )
    prior_until: Whole = Field(
        default=6720,
        description="Iterations in which they join the weak predictions (AS3L, Eq. 5: T; its 60 "
        "epochs of 112 iterations on CIFAR); 0 is the base.",
    )
    ulb_loss_mean: Literal["batch", "selected"] = Field(
        default="batch",
        description="What the unlabelled loss is divided by: the whole batch, as USB does, or the "
        "selected examples, as LayerMatch, Eqs. 2 and 8, write it.",
    )
    step: Literal["ours", "usb"] = Field(
        default="ours",
        description="For the bases: our step, or USB's own class of that name, which can carry "
        "grad_relu (with use_cat).",
    )

    @field_validator("extensions", mode="before")
    @classmethod
    def _read_list(cls, value: object) -> object:
        """A YAML list; the model itself holds a tuple."""
        return tuple(value) if isinstance(value, list) else value

    @field_validator("extensions")
    @classmethod
    def _known_and_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Known names, none twice; one fixed order, so that the same set is the same setting."""
        if not set(value) <= set(EXTENSIONS):
            raise ValueError(f"a list of {', '.join(EXTENSIONS)}")
        if len(set(value)) < len(value):
            raise ValueError("each extension at most once")
        return tuple(sorted(value, key=EXTENSIONS.index))
