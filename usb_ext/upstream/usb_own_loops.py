"""Supervised training and CRMatch on the engine's loop: USB gives each a training loop of its own."""

import copy
from collections.abc import Iterator
from typing import Any

import torch

from usb_ext.core.errors import SettingsError
from usb_ext.settings import Settings
from usb_ext.upstream._loaded import semilearn  # noqa: F401  (imports semilearn through the bridges)
from usb_ext.upstream.running import Batch, LoaderDict
from usb_ext.upstream.shared import ROTATED
from usb_ext.upstream.zoo_nets import is_zoo

# isort: split
from semilearn.algorithms.crmatch.crmatch import CRMatch, CRMatch_Net
from semilearn.algorithms.fullysupervised.fullysupervised import FullySupervised


class SupervisedOnEngine(FullySupervised):  # type: ignore[misc]
    """`supervised` and `fullysupervised`: the common loop, without loading unlabelled images.

    USB's own loop takes one step too many and reads no checkpoint. (Removed by: "supervised training in
    the common loop".)
    """

    def set_data_loader(self) -> LoaderDict:
        """All loaders but the unlabelled one, whose images this algorithm does not look at."""
        loaders: LoaderDict = super().set_data_loader()
        loaders.pop("train_ulb", None)
        return loaders

    def train(self) -> None:
        """The engine's loop."""
        super(FullySupervised, self).train()


def check_feature_maps(backbone: Any, args: Settings) -> None:
    """Refuse a network whose feature maps do not fit CRMatch's second classifier.

    Args:
        backbone: the network, on any device, `meta` too.
        args: settings, or the run's namespace.

    Raises:
        SettingsError: USB sets its input size by the data set's name, not by the image size.
    """
    kinds = ("wrn", "resnet", "vit", "bert", "wave2vec")
    if is_zoo(args.net) or not any(kind in args.net for kind in kinds):
        raise SettingsError(
            f"crmatch knows the feature maps of USB's networks ({', '.join(kinds)}), not those of net "
            f"{args.net}; use one of them, or another algorithm"
        )
    if not any(kind in args.net for kind in ("wrn", "resnet")):
        return
    wanted = CRMatch_Net(backbone, args, use_rot=False).ds_classifier.in_features
    device = next(backbone.parameters()).device
    with torch.no_grad():
        images = torch.zeros(1, 3, args.img_size, args.img_size, device=device)
        found = backbone.eval().extract(images).numel()
    if found != wanted:
        raise SettingsError(
            f"crmatch on {args.net} needs feature maps of {wanted} numbers, but img_size "
            f"{args.img_size} gives {found}; for wrn networks use --img_size 32"
        )


class CRMatchOnEngine(CRMatch):  # type: ignore[misc]
    """CRMatch: its rotated images are part of the step's batch and depend on (seed, step) alone.

    USB's own loop is the common one with those images added, takes one step too many and swallows every
    error of its loader. (Removed by: "CRMatch's rotations as part of the batch".)
    """

    _rotated: Iterator[Batch] | None = None

    def set_data_loader(self) -> LoaderDict:
        """The engine's loaders, and one for the weak views that are to be rotated."""
        if not self.use_rot:
            loaders: LoaderDict = super(CRMatch, self).set_data_loader()
            return loaders
        images = copy.copy(self.dataset_dict["train_ulb"])
        images.is_ulb, images.transform = False, self.dataset_dict["train_lb"].transform
        self.dataset_dict["rotated"] = images
        loaders = super(CRMatch, self).set_data_loader()
        loaders["rotated"] = self.training_loader("rotated", self.args.batch_size, ROTATED)
        self._rotated = None
        return loaders

    def set_model(self) -> torch.nn.Module:
        """USB's network, if its second classifier fits the network's feature maps.

        Raises:
            SettingsError: USB sets its input size by the data set's name, not by the image size.
        """
        network: torch.nn.Module = super().set_model()
        backbone: Any = network.backbone  # USB's, whose parts it declares nowhere
        check_feature_maps(backbone, self.args)
        return network

    def extra_batch(self) -> Batch:
        """The rotated images (4 B, 3, H, W), turned by 0, 90, 180 and 270 degrees, and their turns."""
        if not self.use_rot:
            return {}
        if self._rotated is None:
            self._rotated = self.from_step(self.loader_dict["rotated"])
        images = next(self._rotated)["x_lb"]
        turned = [torch.rot90(images, times, dims=(2, 3)) for times in range(4)]
        return {
            "x_ulb_rot": torch.cat(turned),
            "rot_v": torch.arange(4).repeat_interleave(len(images)),
        }

    def train(self) -> None:
        """The engine's loop."""
        super(CRMatch, self).train()
