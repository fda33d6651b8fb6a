"""A network that stays as it is, in front of one that was trained on its features: a model of images again.

`usb-ext features` keeps the network's weights beside the features (`keep_network`); a run on the features
takes a copy into its own folder (`copy_network`), so that the folder alone is enough to predict from images.
"""

import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from usb_ext.core.errors import DataMissing, reason
from usb_ext.core.files import file_sha256, replace_file
from usb_ext.data.feature_views import FrozenNetwork, feature_folder, frozen_network
from usb_ext.engine.network import builder
from usb_ext.settings import Settings

WEIGHTS = "network.safetensors"
"""In a folder of features."""

COPY = "frozen_network.safetensors"
"""In the folder of a run on them."""


def keep_network(folder: Path, net: nn.Module) -> str:
    """Write all tensors of a network beside its features.

    Args:
        folder: of the features.
        net: in evaluation mode.

    Returns:
        The SHA-256 of the file.
    """
    held = {name: t.detach().cpu().contiguous().clone() for name, t in net.state_dict().items()}
    replace_file(folder / WEIGHTS, lambda path: save_file(held, path))
    return file_sha256(folder / WEIGHTS)


def copy_network(settings: Settings, run: Path) -> FrozenNetwork | None:
    """Take the frozen network of a run on features into the run's folder, by a hard link where that goes.

    Args:
        settings: of the run.
        run: its folder.

    Returns:
        What it is; None where the features come from elsewhere, or from a version that kept none.

    Raises:
        DataMissing: the network's file is gone or is not the one of the features.
    """
    found = frozen_network(settings)
    if found is None:
        return None
    source = feature_folder(settings) / WEIGHTS
    if not source.is_file() or file_sha256(source) != found.sha256:
        raise DataMissing(
            f"{source} is not the network that made the features beside it; make them again with "
            "`usb-ext features --c FILE --overwrite`"
        )
    if not (run / COPY).is_file() or file_sha256(run / COPY) != found.sha256:
        replace_file(run / COPY, lambda path: _link_or_copy(source, path))
    return found


def _link_or_copy(source: Path, path: Path) -> None:
    """One file by two names; a copy of it on another disk, or where links are not to be had."""
    path.unlink(missing_ok=True)
    try:
        os.link(source, path)
    except OSError:
        shutil.copyfile(source, path)


class FrozenThenTrained(nn.Module):
    """A frozen network and, on its features, the trained one.

    Args:
        frozen: from (B, 3, S, S) to features (B, d), with `only_feat=True`.
        trained: from features (B, d) to `{"logits": (B, K), ...}`.
    """

    def __init__(self, frozen: nn.Module, trained: nn.Module) -> None:
        super().__init__()
        self.frozen, self.trained = frozen, trained

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """`{"logits": (B, K), "feat": ...}` of images (B, 3, S, S).

        ours: features are not rounded to 16 bits as those that were trained on.
        """
        outputs: dict[str, torch.Tensor] = self.trained(self.frozen(x, only_feat=True).flatten(1))
        return outputs


def frozen_tensors(run: Path, frozen: FrozenNetwork) -> dict[str, torch.Tensor]:
    """All tensors of the frozen network in a run's folder.

    Args:
        run: the run's folder.
        frozen: what made its features.

    Raises:
        DataMissing: the copy in the run's folder is gone or damaged.
    """
    path = run / COPY
    try:
        if file_sha256(path) != frozen.sha256:
            raise ValueError("SHA-256 differs")
        return load_file(path)
    except (OSError, ValueError) as error:
        raise DataMissing(
            f"{path} is damaged or gone ({reason(error)}); the run predicts from features alone without it"
        ) from error


def with_images(
    run: Path, frozen: FrozenNetwork, settings: Settings, trained: nn.Module
) -> nn.Module:
    """A trained network on features with the frozen one in front, in evaluation mode, on the CPU.

    Args:
        run: the run's folder.
        frozen: what made its features.
        settings: of the run.
        trained: its network.

    Raises:
        DataMissing: the copy in the run's folder is gone or damaged.
        SettingsError: the frozen network cannot be built.
    """
    tensors = frozen_tensors(run, frozen)
    asked = settings.model_copy(update={"net": frozen.net, "img_size": frozen.img_size})
    net: nn.Module = builder(asked)(num_classes=frozen.num_classes)
    net.load_state_dict(tensors)
    return FrozenThenTrained(net, trained.cpu()).eval()
