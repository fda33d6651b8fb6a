"""From what a folder of features was made: its record, and whether it is the one that is asked for."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from usb_ext.as3l.frozen.views import KeptRecipe
from usb_ext.core.errors import SettingsError
from usb_ext.core.files import read_json, write_json
from usb_ext.data.feature_views import PLAIN, RECORD, REDUCED, REMEDY, TEST, VIEWS
from usb_ext.data.fingerprint import NAME, Fingerprint
from usb_ext.engine.frozen import WEIGHTS
from usb_ext.settings import Settings
from usb_ext.settings.stage_values import differences
from usb_ext.upstream.weights import head_name

OUTPUTS = (VIEWS, RECORD, PLAIN, REDUCED, TEST, NAME, WEIGHTS)


@dataclass(frozen=True)
class FeaturesOrder:
    """What is to be kept.

    Attributes:
        weak: weak views of each training image, >= 1.
        strong: strong views, >= 1.
        out: the folder; None is save_dir/features_DATASET_NET.
        remedy: what helps where the folder holds other features.
    """

    weak: int = 4
    strong: int = 8
    out: Path | None = None
    remedy: str = "give the same, another --out, or --overwrite"

    def folder(self, settings: Settings) -> Path:
        """Where the features go."""
        net = settings.net.replace(":", ".").replace("/", ".")
        return self.out or Path(settings.save_dir) / f"features_{settings.dataset}_{net}"


def made_with(
    settings: Settings, recipe: KeptRecipe, net: nn.Module, data: Fingerprint
) -> dict[str, Any]:
    """What decides the features, as JSON has it: data, network, weights and recipe of the views.

    Args:
        settings: of the stage.
        recipe: of the views.
        net: with its weights.
        data: the images.
    """
    reduced_precision = (
        {} if settings.amp == "off" else {"amp": settings.amp}
    )  # older records have none
    images = Fingerprint(data.kind, data.train, data.test).sha256
    values = asdict(recipe)
    values["mean"], values["std"] = list(recipe.mean), list(recipe.std)
    return {
        "dataset": settings.dataset,
        "images_sha256": images,
        "net": settings.net,
        "weights_sha256": weights_digest(net, settings.num_classes),
        **values,
        **reduced_precision,
    }


def weights_digest(net: nn.Module, num_classes: int) -> str:
    """SHA-256 of all tensors but the classification layer's, by which no feature is changed.

    Args:
        net: the network.
        num_classes: C, outputs of that layer.
    """
    head = head_name(net, num_classes)
    digest = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        if head is None or not name.startswith(f"{head}."):
            digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def found_record(
    folder: Path, wanted: dict[str, Any], remedy: str, *, overwrite: bool
) -> dict[str, Any] | None:
    """The record of features that are there, whole or begun; None where they are to be made anew.

    Args:
        folder: where they would lie.
        wanted: what `made_with` says now.
        remedy: what helps where they are others.
        overwrite: make them anew in any case.

    Raises:
        SettingsError: those that are there were made from something else.
        DataMissing: the record is damaged.
    """
    path = folder / RECORD
    if overwrite or not path.is_file():
        return None
    record = read_json(path, "the record of features", REMEDY)
    then = record.get("made_with") if isinstance(record, dict) else None
    if not isinstance(then, dict):
        raise SettingsError(f"{path} does not say what the features were made with; {REMEDY}")
    if changes := differences(then, wanted):
        raise SettingsError(
            f"{folder} holds features made from something else: {changes}; {remedy}"
        )
    return dict(record)


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Replace the record."""
    write_json(folder / RECORD, record)
