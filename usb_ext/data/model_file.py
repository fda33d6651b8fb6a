"""What a run's network takes and gives, in `model.json`: preprocessing and classes, written when it begins.

With it the folder of a run is enough to predict; of an older folder both are derived where the name of its
data set tells them.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from usb_ext.core.errors import DataMissing, reason
from usb_ext.core.files import RunFolder, check_seal, json_of, sealed, write_json
from usb_ext.data.arrays import load_digits_arrays
from usb_ext.data.feature_views import FrozenNetwork
from usb_ext.data.prepared import Prepared
from usb_ext.data.preprocessing import (
    ImagePreprocessing,
    PointPreprocessing,
    Preprocessing,
    from_json,
    preprocessing_of,
)
from usb_ext.data.sets import OWN
from usb_ext.data.toy import TOYS, PointArrays
from usb_ext.settings import Settings
from usb_ext.upstream.usb_looks import class_names, evaluation_look


@dataclass(frozen=True)
class Interface:
    """What a network takes and gives.

    Attributes:
        classes: names, in the order of the network's outputs.
        transform: from an image or a point to what the network takes; None for texts and sounds.
        frozen: the network that makes what this one takes of images, for a run on features; else None.
    """

    classes: tuple[str, ...]
    transform: Preprocessing | None
    frozen: FrozenNetwork | None = None


def names_of_classes(settings: Settings, data: Prepared) -> tuple[str, ...]:
    """Names of the classes of a run, in the order of the network's outputs.

    Args:
        settings: of the run.
        data: its data sets.
    """
    served = data.datasets.get("eval")
    return tuple(data.classes or class_names(settings.dataset, settings.num_classes, served))


def write_interface(
    folder: RunFolder, settings: Settings, data: Prepared, frozen: FrozenNetwork | None = None
) -> None:
    """Write the run's `model.json`.

    Args:
        folder: the run's folder.
        settings: of the run.
        data: its data sets and class names.
        frozen: the network that made its features, for a run on features.
    """
    names = names_of_classes(settings, data)
    transform = preprocessing_of(data.datasets)
    takes = None if transform is None else transform.to_json()
    content = {"takes": takes, "classes": list(names)}
    if frozen is not None:
        content["frozen"] = asdict(frozen)
    write_json(folder.model, sealed(content))


def read_interface(folder: RunFolder, settings: Settings) -> Interface:
    """What the network of a run takes and gives.

    Args:
        folder: the run's folder.
        settings: of the run.

    Raises:
        DataMissing: the file is damaged, or there is none and the data set's name does not tell either.
    """
    if folder.model.is_file():
        return _read(folder.model, settings)
    found = _derived(settings)
    if found is None:
        raise DataMissing(
            f"{folder.path} has no {folder.model.name}, which runs write since usb_ext 0.2.0, and without "
            f"the files of dataset {settings.dataset} its classes and preprocessing are not known; where "
            f"they are, `usb-ext train --c {folder.config} --resume` writes it"
        )
    return found


def _read(path: Path, settings: Settings) -> Interface:
    """The interface in a file.

    Raises:
        DataMissing: it is damaged, or of another number of classes.
    """
    try:
        content = json_of(path)
        check_seal(content)
        classes, takes = tuple(map(str, content["classes"])), content["takes"]
        transform = None if takes is None else from_json(takes)
        before = content.get("frozen")
        frozen = None if before is None else FrozenNetwork.from_json(before)
        if len(classes) != settings.num_classes:
            raise ValueError(f"{len(classes)} classes, but num_classes is {settings.num_classes}")
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise DataMissing(
            f"{path} is damaged ({type(error).__name__}: {reason(error)}); `usb-ext train --c "
            f"{path.with_name('config.yaml')} --resume` writes it again"
        ) from error
    return Interface(classes, transform, frozen)


def _derived(s: Settings) -> Interface | None:
    """What the name of the data set tells, or None."""
    if s.dataset in TOYS:
        return Interface(PointArrays.classes, PointPreprocessing(2))
    if s.dataset == "digits":
        digits = load_digits_arrays(s.img_size)
        return Interface(digits.classes, ImagePreprocessing(s.img_size, digits.mean, digits.std))
    look = None if s.dataset in OWN else evaluation_look(s.dataset, s.img_size, s.crop_ratio)
    if look is None:
        return None
    mean, std, resize = look
    transform = ImagePreprocessing(s.img_size, mean, std, resize)
    return Interface(class_names(s.dataset, s.num_classes), transform)
