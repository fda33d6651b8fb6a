"""Settings of influence weighting, and what contradicts them (Ren et al., 2020).

A weight is learned for every unlabelled example. Every N steps the weights of the batch's examples move
against the derivative of the validation loss, d L_V / d lambda_u = - g_V^T H^-1 g_u (Eq. 6). The validation
images are `num_val` or `val_index_file`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from usb_ext.settings.algorithms import carriers
from usb_ext.settings.group import SettingsGroup
from usb_ext.settings.kinds import Count, FilePath, NonNegative, Positive, Ratio

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings


class InfluenceSettings(SettingsGroup):
    """What `extensions: [influence]` and the algorithms named influence read."""

    heading: ClassVar[str] = "Influence weighting"
    part_of: ClassVar[str] = "influence"

    influence: bool | None = Field(
        default=None,
        description="False takes influence weighting away; None and True leave it as the algorithm "
        "declares it.",
    )
    influence_every: Count = Field(
        default=100, description="Training steps between two updates (Algorithm 1: N; Table 3)."
    )
    influence_lr: NonNegative = Field(
        default=0.01, description="Step size of the weights (Algorithm 1: eta; Table 3)."
    )
    influence_damping: NonNegative = Field(
        default=1.0,
        description="Added to the diagonal of the Hessian beside weight_decay; 1 is in effect what the "
        "authors' code has.",
    )
    influence_damping_scale: Literal["trace"] | None = Field(
        default=None,
        description="trace: influence_damping is a share of trace(H) / P, the mean eigenvalue, P the head's "
        "parameters; None: a number on the diagonal as it is.",
    )
    influence_inverse: Literal["auto", "exact", "cg", "identity", "neumann"] = Field(
        default="auto",
        description="Inverse Hessian: exact by Cholesky; cg by conjugate gradients; auto is exact up to "
        "influence_exact_size, else cg; identity (Luketina et al.); neumann (Lorraine et al.).",
    )
    influence_params: Literal["head", "last_block", "network"] | None = Field(
        default=None,
        description="Parameters the influence is computed on; None is head for auto, exact and cg, "
        "last_block for neumann, network for identity (Sec. 4.3).",
    )
    influence_exact_size: Count = Field(
        default=2048,
        description="Parameters of the head up to which auto writes the Hessian down (a square of "
        "doubles: 32 MiB at 2048).",
    )
    influence_bias: bool = Field(
        default=True, description="Whether the head's bias counts among its parameters."
    )
    influence_cg_iter: Count = Field(default=100, description="Most iterations of cg.")
    influence_cg_tol: Positive = Field(
        default=1e-6, description="Relative residual at which cg stops."
    )
    influence_neumann_terms: Count = Field(
        default=20, description="Terms of the Neumann series (Lorraine et al.: up to 20)."
    )
    influence_neumann_rate: Ratio = Field(
        default=0.01,
        description="Step of the Neumann series; a series that diverges is made again with a tenth.",
    )
    influence_weights: Literal["per_example", "single"] = Field(
        default="per_example", description="A weight for each example, or one for all (Fig. 4)."
    )
    influence_mask: Literal["objective", "authors"] | None = Field(
        default=None,
        description="Derivative of one weight for all: objective sums over what the base selects, as the "
        "loss does; authors sums over all examples, as their code does; None is objective.",
    )
    influence_optimizer: Literal["m_adam", "adam", "sgd"] = Field(
        default="m_adam", description="Optimizer of the weights (Sec. 3.1; Fig. 4)."
    )
    influence_weight_max: NonNegative = Field(
        default=2.0,
        description="Largest weight, as in the authors' code; 0 for no bound, as in the paper.",
    )
    influence_val_batch: Count = Field(
        default=320, description="Validation images of an update (Sec. 4.4), at most num_val."
    )
    influence_weights_file: FilePath | None = Field(
        default=None,
        description="First weights: an .npz with index, weight, dataset and n, of a run on the same "
        "split; None starts all at 1.",
    )


def scope_of(inverse: str, given: str | None) -> str:
    """Parameters an inverse looks at: as given, or its own.

    Args:
        inverse: as in the setting `influence_inverse`.
        given: as in the setting `influence_params`.
    """
    return given or {"neumann": "last_block", "identity": "network"}.get(inverse, "head")


def mask_of(weights: str, given: str | None) -> str | None:
    """How one weight for all is derived: as given, or along the objective; None for a weight an example.

    Args:
        weights: as in the setting `influence_weights`.
        given: as in the setting `influence_mask`.
    """
    return (given or "objective") if weights == "single" else given


def influence_contradictions(settings: "Settings") -> Iterator[str]:
    """The sentences of every rule in this file.

    Args:
        settings: a model whose single values are already valid.
    """
    yield from _validation(settings)
    if "influence" in settings.extensions and settings.algorithm not in carriers():
        yield (
            "influence weights one loss term of each unlabelled example, and the class of "
            f"{settings.algorithm} shows none; use algorithm: influence_uda or influence_fixmatch"
        )
    if "influence" in settings.active_extensions:
        yield from _influence(settings)


def _validation(s: "Settings") -> Iterator[str]:
    if s.num_val and s.val_index_file is not None:
        yield (
            f"num_val is {s.num_val} and val_index_file is {s.val_index_file!r}; a validation set is "
            "either drawn or listed: leave one of them out"
        )


def _influence(s: "Settings") -> Iterator[str]:
    if not s.num_val and s.val_index_file is None:
        yield (
            f"influence needs labelled images held out for validation, but num_val is {s.num_val} and "
            "val_index_file is not set; use num_val: 100, say (the paper: 1024 on CIFAR-10)"
        )
    if s.influence_every > s.num_train_iter:
        yield (
            f"influence_every is {s.influence_every} but num_train_iter is {s.num_train_iter}, so no "
            f"weight would ever move; use at most {s.num_train_iter}"
        )
    beyond = s.influence_params not in (None, "head")
    if beyond and s.influence_inverse not in ("identity", "neumann"):
        yield (
            f"influence_params is {s.influence_params} but influence_inverse {s.influence_inverse} is "
            "for the head alone; use influence_params: head, or influence_inverse: identity or neumann"
        )
    if s.influence_damping_scale and scope_of(s.influence_inverse, s.influence_params) != "head":
        yield (
            f"influence_damping_scale is {s.influence_damping_scale} but only the head's Hessian has a trace "
            "in closed form; use influence_params: head, or leave influence_damping_scale out"
        )
    if s.influence_mask is not None and s.influence_weights != "single":
        yield (
            f"influence_mask is {s.influence_mask} but with influence_weights: {s.influence_weights} each "
            "derivative is that of Eq. 6, unmasked; leave it out, or use influence_weights: single"
        )
    if s.influence_weights == "single" and s.influence_weights_file is not None:
        yield (
            f"influence_weights_file is {s.influence_weights_file!r} but influence_weights: single has "
            "one weight for all; leave the file out, or use influence_weights: per_example"
        )
