"""USB's own data sets, with our label split and without files where they do not belong.

USB draws the labelled images from NumPy's global generator, swaps in given indices after the fact, and
writes index files under site-packages and `data_statistics/` into the current folder. Its one function
that draws is replaced while a data set is built, and the build runs in a temporary folder.
(Removed by: patches/source/B3-index-files and "label seed of its own".)

USB's data sets of texts, without a copy of every text in the width of the longest.

USB turns its list of texts into one NumPy array, which gives each entry as many characters as the longest
review has: some gigabytes for IMDb. An array of objects holds the same texts and no copy. (Removed by:
"texts as objects".)

One line for the files of a data set that are not there, with the place to get them from.

A validation set cut out of one of USB's data sets, which know none.

The images go to a copy of USB's evaluation set, so that they are prepared as that one's are. (Removed by: "a
validation split beside eval".)
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from usb_ext.core.errors import SettingsError
from usb_ext.upstream._loaded import semilearn  # noqa: F401  (imports semilearn through the bridges)

# isort: split
import copy
import random
import tempfile
from types import ModuleType

import semilearn.datasets.nlp_datasets.json_data as usb_json

from usb_ext.core.errors import DataMissing
from usb_ext.settings import Settings
from usb_ext.settings.algorithms import served_as
from usb_ext.settings.data import AUDIO, TEXTS
from usb_ext.upstream.quiet import printed_to_log
from usb_ext.upstream.running import Arguments, Datasets, Served, served
from usb_ext.upstream.stand_ins import MissingDependency, import_real

# isort: split
import semilearn.datasets.cv_datasets.stl10 as usb_stl10
import semilearn.datasets.utils as usb_utils
import torchvision
from semilearn.core.utils import get_dataset


def as_objects(rows: list[tuple[str, ...]]) -> NDArray[np.object_]:
    """N rows of m texts as an array of shape (N, m) that refers to them.

    Args:
        rows: N tuples of equal length.
    """
    table = np.empty((len(rows), len(rows[0]) if rows else 0), dtype=object)
    for i, row in enumerate(rows):
        table[i] = row
    return table


@contextlib.contextmanager
def texts_shared() -> Iterator[None]:
    """Within, USB splits an array of objects instead of making one of characters."""
    original: Callable[..., Any] = usb_json.split_ssl_data

    def split(args: Arguments, data: Any, targets: ArrayLike, *rest: Any, **named: Any) -> Any:
        return original(args, as_objects(data), targets, *rest, **named)

    usb_json.split_ssl_data = split
    try:
        yield
    finally:
        usb_json.split_ssl_data = original


def damaged(dataset: str, folder: Path, error: Exception) -> SettingsError:
    """What is said of files that are there and are not as USB writes them.

    Args:
        dataset: its name.
        folder: where its files lie.
        error: what reading them raised.
    """
    why = f"no {error.args[0]!r}" if isinstance(error, KeyError) else str(error)[:120]
    return SettingsError(
        f"{dataset} in {folder} is not as USB writes it ({why}); train.json, dev.json and test.json hold "
        '{"0": {"ori": text, "aug_0": text, "aug_1": text, "label": class}, ...}, dev and test without aug'
    )


SOURCES = {
    "cifar10": "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    "cifar100": "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    "stl10": "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
    "svhn": "http://ufldl.stanford.edu/housenumbers/ (train_32x32.mat, extra_32x32.mat, test_32x32.mat)",
}


def not_found(args: Arguments, data_dir: Path, error: Exception) -> DataMissing:
    """What is said where USB found no files and could fetch none: where it looked, and where they are.

    Args:
        args: the run's namespace.
        data_dir: the folder of all data sets.
        error: what USB's attempt raised.
    """
    where = data_dir / folder_of(args.dataset)
    source = SOURCES.get(args.dataset)
    how = f"download {source} and unpack it there" if source else "USB's README tells how to get it"
    reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
    return DataMissing(
        f"{args.dataset} was not found in {where} and could not be fetched ({reason}); {how}, or name "
        "another folder with --data_dir"
    )


def folder_of(dataset: str) -> str:
    """The folder of a data set of USB's, in the folder of all of them."""
    return dataset if dataset in TEXTS else dataset.lower()


PACKED = (".gz", ".tgz", ".zip", ".tar")
"""Endings of downloads, which are not read once they are unpacked."""


def files_of(dataset: str, data_dir: str) -> dict[str, int]:
    """Name and bytes of the files of a data set of USB's, sorted; empty where there are none yet.

    Args:
        dataset: its name.
        data_dir: the folder of all data sets.
    """
    root = Path(data_dir) / folder_of(dataset)
    found = sorted(p for p in root.rglob("*") if p.is_file() and not p.name.endswith(PACKED))
    return {str(path.relative_to(root)): path.stat().st_size for path in found}


def with_validation(
    args: Arguments, datasets: Datasets, held_out: Any, split: "Split | None", num_images: int
) -> Datasets:
    """USB's dictionary with `val`.

    Args:
        args: the run's namespace.
        datasets: USB's dictionary.
        held_out: (v, ...) the validation images (or texts), None where USB made the split itself;
            of the kind of the data set's own `data`.
        split: with `validation` (v,) positions and `validation_targets` (v,); or None.
        num_images: N, images that were split.

    Raises:
        SettingsError: a validation set where USB's own split, or all images, are trained on.
    """
    if not (args.num_val or args.val_index_file):
        return datasets
    if split is None or args.algorithm == "fullysupervised":
        full = args.algorithm == "fullysupervised"
        why = "fullysupervised trains on every image of it" if full else "USB splits it itself"
        raise SettingsError(
            f"num_val or val_index_file asks for a validation set out of {args.dataset}, but {why}; "
            "leave both out"
        )
    validation = copy.copy(served(datasets, "eval"))
    validation.data, validation.targets = held_out, split.validation_targets
    if args.dataset == "stl10":
        _take_out(served(datasets, "train_ulb"), split.validation - num_images)
    return {**datasets, "val": validation}


def _take_out(unlabelled: Served, rows: NDArray[np.int64]) -> None:
    """Remove rows: USB serves all of STL-10's training images as unlabelled ones, at the end."""
    unlabelled.data = np.delete(unlabelled.data, rows, axis=0)
    unlabelled.targets = np.delete(np.asarray(unlabelled.targets), rows)


IMAGES = (
    "cifar10", "cifar100", "svhn", "stl10", "eurosat", "tissuemnist", "semi_aves", "semi_aves_out",
    "imagenet", "imagenet127",
)  # fmt: skip
OWN_SPLIT = ("imagenet", "imagenet127", "semi_aves", "semi_aves_out")


class Split(Protocol):
    """Positions among N images with classes; `data/prepared.py` chooses them."""

    @property
    def labelled(self) -> NDArray[np.int64]:
        """(n,) labelled ones."""

    @property
    def unlabelled(self) -> NDArray[np.int64]:
        """(u,) unlabelled ones."""

    @property
    def validation(self) -> NDArray[np.int64]:
        """(v,) held out ones."""

    @property
    def validation_targets(self) -> NDArray[np.int64]:
        """(v,) their classes."""


Chosen = TypeVar("Chosen", bound=Split)


def load_usb_datasets(
    args: Arguments, choose: Callable[[NDArray[np.int64]], Chosen]
) -> tuple[Datasets, NDArray[np.int64] | None, Chosen | None]:
    """A data set of USB's by name.

    Args:
        args: the run's namespace.
        choose: from targets (N,) to a split with `labelled`, `unlabelled` and `validation` positions.

    Returns:
        USB's dictionary (with `val` where asked for), the training targets (N,) and the split; the last
        two None where USB's own draw is used (ImageNet, Semi-Aves).

    Raises:
        SettingsError: an unknown name, or a `label_split` that the set cannot carry.
        DataMissing: files that are not there and cannot be fetched.
    """
    check_dataset(args, ())
    data_dir = Path(args.data_dir).expanduser().resolve()
    drawn: dict[str, Any] = {}

    def draw(
        _args: object, data: Any, target: ArrayLike, *_: object, **__: object
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        targets = np.asarray(target, dtype=np.int64)
        _check_classes(args, targets)
        drawn["targets"], drawn["split"] = targets, choose(targets)
        drawn["held_out"] = data[drawn["split"].validation]
        unlabelled = drawn["split"].unlabelled
        extra = len(drawn["split"].labelled) if args.include_lb_to_ulb else 0
        return drawn["split"].labelled, unlabelled[extra:]  # USB prepends the labelled ones itself

    seeded = _numpy_and_random(args.label_seed)
    alone = args.dataset == "svhn" and args.svhn_extra is False
    whole = without_extra() if alone else contextlib.nullcontext()
    with _drawing_with(draw), texts_shared(), seeded, whole, printed_to_log():
        datasets = _get(args, data_dir)
    split, targets = drawn.get("split"), drawn.get("targets")
    num_images = 0 if targets is None else len(targets)
    datasets = with_validation(args, datasets, drawn.get("held_out"), split, num_images)
    return datasets, targets, split


def check_dataset(args: Settings, own: Sequence[str]) -> None:
    """Refuse a name that no data set has, and a split that USB's cannot carry.

    Args:
        args: settings, or the run's namespace.
        own: names of the sets that are not USB's.

    Raises:
        SettingsError: with the known names, the nearest first.
    """
    known = (*own, *IMAGES, *TEXTS, *AUDIO)
    if args.dataset not in known:
        near = get_close_matches(args.dataset.lower(), known, n=1, cutoff=0.85)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise SettingsError(f"dataset is {args.dataset!r}{hint}; known: {', '.join(known)}")
    if args.dataset in OWN_SPLIT and args.label_split != "per_class":
        raise SettingsError(
            f"label_split is {args.label_split!r}, but USB splits {args.dataset} itself; "
            "use label_split: per_class"
        )


def check_sounds(args: Settings) -> None:
    """Refuse a set of sounds where torchaudio cannot make its strong views.

    Args:
        args: settings, or the run's namespace.

    Raises:
        MissingDependency: torchaudio does not import, or has no `sox_effects` any more.
    """
    if args.dataset not in AUDIO:
        return
    if not hasattr(import_real("torchaudio"), "sox_effects"):
        raise MissingDependency(
            f"dataset {args.dataset} holds sounds, whose strong views USB makes with sox_effects "
            'of torchaudio; the installed one has none: pip install "torch<2.9" "torchaudio<2.9"'
        )


def _check_classes(args: Arguments, targets: NDArray[np.int64]) -> None:
    """Refuse classes that the network has no output for, which USB meets as an error of the loss."""
    most = int(targets.max(initial=-1)) + 1
    if most > args.num_classes:
        raise SettingsError(
            f"num_classes is {args.num_classes}, but {args.dataset} has {most} classes; use --num_classes "
            f"{most}"
        )


def _get(args: Arguments, data_dir: Path) -> Datasets:
    algorithm = served_as(args.algorithm)
    labels, classes = args.num_labels, args.num_classes
    try:
        with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
            datasets: Datasets | None = get_dataset(
                args,
                algorithm,
                args.dataset,
                labels,
                classes,
                str(data_dir),
                args.include_lb_to_ulb,
            )
    except (OSError, RuntimeError) as error:
        raise not_found(args, data_dir, error) from error
    except (ValueError, KeyError, TypeError) as error:
        if args.dataset not in TEXTS:
            raise
        raise damaged(args.dataset, data_dir / args.dataset, error) from error
    if datasets is None:
        raise SettingsError(f"dataset is {args.dataset!r}, which USB does not build")
    return datasets


@contextlib.contextmanager
def _drawing_with(draw: Callable[..., Any]) -> Iterator[None]:
    """USB's function that draws the labelled images, replaced for the time of a build."""
    name = "sample_labeled_unlabeled_data"
    modules: tuple[ModuleType, ...] = (usb_utils, usb_stl10)
    before = [getattr(module, name) for module in modules]
    try:
        for module in modules:
            setattr(module, name, draw)
        yield
    finally:
        for module, function in zip(modules, before, strict=True):
            setattr(module, name, function)


@contextlib.contextmanager
def without_extra() -> Iterator[None]:
    """Within, torchvision's SVHN has no images in `extra`, and does not look for its file.

    USB joins `extra` to `train`. (Removed by: "SVHN without extra".)
    """
    original: type[Any] = torchvision.datasets.SVHN

    class WithoutExtra(original):  # type: ignore[misc]
        def __init__(self, root: Any, split: str = "train", **named: Any) -> None:
            if split != "extra":
                super().__init__(root, split=split, **named)
                return
            self.data = np.empty((0, 3, 32, 32), np.uint8)
            self.labels = np.empty(0, np.int64)

    torchvision.datasets.SVHN = WithoutExtra
    try:
        yield
    finally:
        torchvision.datasets.SVHN = original


@contextlib.contextmanager
def _numpy_and_random(seed: int) -> Iterator[None]:
    """The global generators that USB draws from, seeded for a build and put back after it."""
    states = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
