"""Settings of the toy sets `linear`, `circles` and `moons` (Ren et al., 2020, Sec. 4.1)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from usb_ext.config.kinds import Count, NonNegative, Whole
from usb_ext.settings.group import SettingsGroup

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings

TOYS: tuple[str, ...] = ("linear", "circles", "moons")
"""Data sets whose examples are points of the plane."""

POINT_NET = "mlp_100_100"
"""The network that takes such points, beside the user's own."""


class ToySettings(SettingsGroup):
    """The points, their views, and the picture of the decision boundary."""

    heading: ClassVar[str] = "Toy sets (linear, circles, moons)"

    toy_train: Count = Field(
        default=1040,
        description="Training points: the labelled, those of num_val, and the rest unlabelled.",
    )
    toy_test: Count = Field(default=1000, description="Test points.")
    toy_noise: NonNegative | None = Field(
        default=None,
        description="Standard deviation of the points around their curve or centre; None is 0.25 for "
        "linear and 0.1 for circles and moons.",
    )
    toy_seed: Whole = Field(
        default=0, description="Seed of the points, apart from seed and label_seed."
    )
    toy_weak: NonNegative = Field(
        default=0.0, description="Standard deviation of the noise in a weak view; 0 is the point."
    )
    toy_strong: NonNegative = Field(
        default=0.1, description="Standard deviation of the noise in a strong view."
    )
    boundary_panels: Count = Field(
        default=4,
        description="Steps at which boundary.png shows data of two features: the first, the last, and "
        "others evenly between; 1 is the last alone.",
    )


def toy_contradictions(settings: "Settings") -> Iterator[str]:
    """Points for a network that takes images, or images for one that takes points.

    Args:
        settings: a model whose single values are already valid.
    """
    dataset, net = settings.dataset, settings.net
    if ":" in net or (dataset in TOYS) == (net == POINT_NET):
        return
    if dataset in TOYS:
        yield (
            f"net is {net}, which does not take the points of dataset {dataset}; use net: "
            f"{POINT_NET}, or your own as package.module:function"
        )
    else:
        yield f"net is {net}, which takes points of two features, but dataset is {dataset}"
