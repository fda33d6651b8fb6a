"""Features of several views of each image, kept in a mapped file: what `dataset: features` trains on.

A folder of `usb-ext features` holds `views.npy` (float16, mapped, never read whole), `views.json` (how it was
made, and whether it is whole), `features.npz` (the plain view of the training images, which `select`,
`propagate` and the consistency watch read), `reduced.npz` (few numbers of each training image, on which
AS3L's stages of a run cluster), `test_targets.npy` and `data.json`. The rows of `views.npy` are, for N
training images, the plain view, the weak ones and the strong ones of each, then M test images.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from usb_ext.core.arrays import blocks
from usb_ext.core.errors import DataMissing, SettingsError, reason
from usb_ext.core.files import file_sha256, file_stamp, read_json
from usb_ext.data.features import Features, read_features
from usb_ext.data.folder_scan import read_class_list
from usb_ext.data.label_csv import label_file_classes
from usb_ext.settings import Settings
from usb_ext.settings.feature_set import FEATURES

VIEWS, RECORD, PLAIN, TEST = "views.npy", "views.json", "features.npz", "test_targets.npy"
REDUCED = "reduced.npz"
REMEDY = "make it again with `usb-ext features --c FILE --overwrite`"


@dataclass(frozen=True)
class FrozenNetwork:
    """The network that made features, as their record tells it.

    Attributes:
        net: its name, as the setting.
        num_classes: outputs of its classification layer, which the features do not pass.
        img_size: side of the images in pixels.
        mean: of the three channels, of pixels in [0, 1].
        std: likewise, > 0.
        sha256: of the file of its weights.
    """

    net: str
    num_classes: int
    img_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "FrozenNetwork":
        """From what `dataclasses.asdict` gave.

        Raises:
            LookupError, TypeError, ValueError: something else.
        """
        mean, std = (tuple(float(v) for v in values[name]) for name in ("mean", "std"))
        classes, size = int(values["num_classes"]), int(values["img_size"])
        return cls(str(values["net"]), classes, size, mean, std, str(values["sha256"]))


class KeptViews:
    """The views of some images, a row of the mapped file for each.

    Args:
        values: (N, V, d) float16 (kept) or float32 (handed over), mapped or in memory.
        rows: (n,) which of the N; None takes all.
    """

    def __init__(
        self,
        values: NDArray[np.float16] | NDArray[np.float32],
        rows: NDArray[np.int64] | None = None,
    ) -> None:
        self.values = values
        self.rows = np.arange(len(values)) if rows is None else rows
        self.shape = (len(self.rows), *values.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, which: Any) -> Any:
        """The views (V, d) of one image, a tensor; or those of several, by positions (n,)."""
        if isinstance(which, int | np.integer):
            return torch.from_numpy(np.array(self.values[self.rows[which]]))
        return KeptViews(self.values, self.rows[which])

    def tensor(self) -> torch.Tensor:
        """All of them, (n, V, d) of their own type, in memory."""
        return torch.from_numpy(np.ascontiguousarray(self.values[self.rows]))


@dataclass(frozen=True, eq=False)
class FeatureArrays:
    """Features of N training and M test images of K classes, with the names that images have.

    Args:
        train_images: (N, 1 + weak + strong, d): plain view, weak views, strong views.
        train_targets: (N,) int64, -1 where unknown.
        test_images: (M, 1, d).
        test_targets: (M,) int64.
        classes: the K class names.
        weak: weak views of each training image, >= 1; 0 where views are made when they are asked for.
        strong: strong views, likewise.
        train_names: N file names, or None.
        skipped: none.

    Raises:
        ValueError: shapes that contradict each other.
    """

    train_images: KeptViews
    train_targets: NDArray[np.int64]
    test_images: KeptViews
    test_targets: NDArray[np.int64]
    classes: tuple[str, ...]
    weak: int
    strong: int
    train_names: tuple[str, ...] | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found = self.train_images.shape[1], self.test_images.shape[1]
        made = self.weak == self.strong == 0
        whole = made or min(self.weak, self.strong) >= 1
        if not whole or found != (1 + self.weak + self.strong, 1):
            raise ValueError(
                f"{found} views of training and test images, {self.weak} weak and {self.strong} strong"
            )
        lengths = len(self.train_images), len(self.test_images)
        if lengths != (len(self.train_targets), len(self.test_targets)):
            raise ValueError(f"{lengths} features, other numbers of targets")

    @property
    def made(self) -> bool:
        """Whether views are made of the vectors when asked for (`feature_noise`, `feature_dropout`)."""
        return self.weak == 0


def feature_folder(settings: Settings) -> Path:
    """The folder that `feature_file` names, by itself or by a file in it."""
    path = Path(settings.feature_file or ".")
    return path.parent if path.suffix in (".npy", ".npz", ".json") else path


def read_record(folder: Path) -> dict[str, Any]:
    """The record of a folder of features that is whole.

    Raises:
        DataMissing: it is not there, damaged, or not made to its end.
    """
    if not (folder / RECORD).is_file():
        raise DataMissing(
            f"feature_file names {folder}, which holds no {RECORD}; `usb-ext features --c FILE` makes it"
        )
    record = read_json(folder / RECORD, "the record of features", REMEDY)
    wanted = ("images", "test_images", "weak", "strong", "dimensions", "sha256")
    if not isinstance(record, dict) or not set(wanted) <= record.keys():
        raise DataMissing(f"{folder / RECORD} is no record of features; {REMEDY}")
    if record["sha256"] is None:
        raise DataMissing(
            f"the features in {folder} are not finished; give the same command again, which goes on"
        )
    return record


def feature_digest(settings: Settings) -> str:
    """SHA-256 of the file that a run on features reads."""
    return str(read_record(feature_folder(settings))["sha256"])


def frozen_network(settings: Settings) -> FrozenNetwork | None:
    """The network that made the features of a run; None for another data set, or where it was not kept.

    Raises:
        DataMissing: as in `read_record`, or the record is damaged.
    """
    if settings.dataset != FEATURES:
        return None
    folder = feature_folder(settings)
    found = read_record(folder).get("network")
    try:
        return None if found is None else FrozenNetwork.from_json(found)
    except (LookupError, TypeError, ValueError) as error:
        raise DataMissing(f"{folder / RECORD} is damaged ({reason(error)}); {REMEDY}") from error


def with_feature_size(settings: Settings) -> Settings:
    """The settings with `feature_size` filled in, for a run on features.

    Raises:
        DataMissing: as in `read_record`.
        SettingsError: another number was given.
    """
    if settings.dataset != FEATURES:
        return settings
    size = read_record(feature_folder(settings))["dimensions"]
    if settings.feature_size not in (None, size):
        raise SettingsError(
            f"feature_size is {settings.feature_size}, but features in {settings.feature_file} have {size} "
            "numbers; leave it out"
        )
    return settings.model_copy(update={"feature_size": size})


def open_views(folder: Path, record: Mapping[str, Any], mode: str = "r") -> Any:
    """The mapped file (R, d) float16, whose shape is that of its record.

    Args:
        folder: where it lies.
        record: with `images`, `test_images`, `weak`, `strong` and `dimensions`.
        mode: of numpy's `open_memmap`.

    Raises:
        DataMissing: it is not there, or no such file.
    """
    views = 1 + record["weak"] + record["strong"]
    shape = (record["images"] * views + record["test_images"], record["dimensions"])
    path = folder / VIEWS
    try:
        found = np.lib.format.open_memmap(path, mode=mode)
    except (OSError, ValueError, EOFError) as error:
        raise DataMissing(f"{path} cannot be read ({reason(error)}); {REMEDY}") from error
    if found.shape != shape or found.dtype != np.float16:
        raise DataMissing(
            f"{path} is {found.dtype} of shape {found.shape}, its record says {shape}; {REMEDY}"
        )
    return found


def mean_of_weak_views(folder: Path) -> NDArray[np.float32]:
    """Of each training image the mean over its plain and its weak views, (N, d).

    Args:
        folder: of `usb-ext features`.

    Raises:
        DataMissing: as in `read_record` and `open_views`.
    """
    record = read_record(folder)
    return mean_of_rows(open_views(folder, record), record)


def mean_of_rows(rows: Any, record: Mapping[str, Any]) -> NDArray[np.float32]:
    """The same of the mapped file itself, whose record need not be whole.

    Args:
        rows: (R, d), as `open_views` gives them.
        record: of the file.
    """
    count, views = record["images"], 1 + record["weak"] + record["strong"]
    rows = rows[: count * views].reshape(count, views, -1)
    found = np.empty((count, record["dimensions"]), dtype=np.float32)
    for part in blocks(count, views * record["dimensions"]):
        found[part] = rows[part, : 1 + record["weak"]].mean(axis=1, dtype=np.float32)
    return found


def load_feature_set(settings: Settings) -> FeatureArrays:
    """The data set in a folder of features.

    Args:
        settings: name it by `feature_file`; `num_classes` names classes that nobody else does.

    Raises:
        DataMissing: not there, not finished, or damaged.
        SettingsError: no test images, and `without_test` is not set.
    """
    folder = feature_folder(settings)
    record = read_record(folder)
    rows = open_views(folder, record)
    _check_unchanged(folder / VIEWS, record)
    plain = read_features(folder / PLAIN)
    count, tested = record["images"], record["test_images"]
    if not tested and not settings.without_test:
        raise SettingsError(
            f"the features in {folder} have no test images; use --without_test, or make them from data with "
            "a test split"
        )
    train = rows[: len(rows) - tested].reshape(count, -1, record["dimensions"])
    return FeatureArrays(
        KeptViews(train),
        _targets(plain, count),
        KeptViews(rows[len(rows) - tested :][:, None]),
        np.load(folder / TEST).astype(np.int64),
        _classes(settings, plain, folder),
        record["weak"],
        record["strong"],
        tuple(map(str, plain.ids)) if plain.ids.dtype.kind == "U" else None,
    )


def _check_unchanged(path: Path, record: Mapping[str, Any]) -> None:
    """Refuse a file that is not the one that was written; it is read only where its stamp is another.

    A comparison of hundreds of runs on gigabytes would read all of them before each run.

    Raises:
        DataMissing: it differs.
    """
    if record.get("file") != file_stamp(path) and file_sha256(path) != record["sha256"]:
        raise DataMissing(f"{path} is not what was written (SHA-256 differs); {REMEDY}")


def _targets(plain: Features, count: int) -> NDArray[np.int64]:
    """(N,) classes, -1 where unknown."""
    return np.full(count, -1, np.int64) if plain.targets is None else plain.targets


def _classes(settings: Settings, plain: Features, folder: Path) -> tuple[str, ...]:
    """Names of the classes: the images' own, those of the class list or of the label CSV, or numbers.

    Raises:
        SettingsError: a class list that contradicts the images' own classes.
    """
    s, own = settings, plain.class_names or ()
    if s.class_list is not None:
        listed = read_class_list(Path(s.class_list), s.num_classes).names
        if own and own != listed:
            raise SettingsError(
                f"class_list {s.class_list} says {', '.join(listed)}, but the images of {folder} have the "
                f"classes {', '.join(own)}; leave it out"
            )
        return listed
    label_file = str(s.label_file) if s.label_split == "file" else ""
    if not own and label_file.lower().endswith(".csv"):
        return label_file_classes(Path(label_file))
    return own or tuple(map(str, range(s.num_classes)))
