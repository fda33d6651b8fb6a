"""USB's own data sets, with our label split and without files where they do not belong.

USB draws the labelled images from NumPy's global generator, swaps in given indices after the fact, and
writes index files under site-packages and `data_statistics/` into the current folder. Its one function
that draws is replaced while a data set is built, and the build runs in a temporary folder.
(Removed by: patches/0006 and "label seed of its own".)
"""

import contextlib
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from usb_ext.core.errors import SettingsError
from usb_ext.settings.names import served_as
from usb_ext.upstream._loaded import semilearn  # noqa: F401  (imports semilearn through the bridges)
from usb_ext.upstream.quiet import printed_to_log
from usb_ext.upstream.usb_missing import not_found
from usb_ext.upstream.usb_texts import TEXTS, damaged, texts_shared
from usb_ext.upstream.usb_validation import with_validation

# isort: split
import semilearn.datasets.cv_datasets.stl10 as usb_stl10
import semilearn.datasets.utils as usb_utils
from semilearn.core.utils import get_dataset

IMAGES = (
    "cifar10", "cifar100", "svhn", "stl10", "eurosat", "tissuemnist", "semi_aves", "semi_aves_out",
    "imagenet", "imagenet127",
)  # fmt: skip
AUDIO = ("esc50", "fsdnoisy", "gtzan", "superbks", "superbsi", "urbansound8k")
OWN_SPLIT = ("imagenet", "imagenet127", "semi_aves", "semi_aves_out")
SplitChooser = Callable[[Any], Any]


def load_usb_datasets(args: Any, choose: SplitChooser) -> tuple[dict[str, Any], Any, Any]:
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
    _check_name(args)
    data_dir = Path(args.data_dir).expanduser().resolve()
    drawn: dict[str, Any] = {}

    def draw(_args: Any, data: Any, target: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        targets = np.asarray(target, dtype=np.int64)
        drawn["targets"], drawn["split"] = targets, choose(targets)
        drawn["held_out"] = data[drawn["split"].validation]
        unlabelled = drawn["split"].unlabelled
        extra = len(drawn["split"].labelled) if args.include_lb_to_ulb else 0
        return drawn["split"].labelled, unlabelled[extra:]  # USB prepends the labelled ones itself

    seeded = _numpy_and_random(args.label_seed)
    with _drawing_with(draw), texts_shared(), seeded, printed_to_log():
        datasets = _get(args, data_dir)
    split, targets = drawn.get("split"), drawn.get("targets")
    num_images = 0 if targets is None else len(targets)
    datasets = with_validation(args, datasets, drawn.get("held_out"), split, num_images)
    return datasets, targets, split


def _check_name(args: Any) -> None:
    known = (*IMAGES, *TEXTS, *AUDIO)
    if args.dataset not in known:
        raise SettingsError(
            f"dataset is {args.dataset!r}; known: digits, imagefolder, linear, circles, "
            f"moons, {', '.join(known)}"
        )
    if args.dataset in OWN_SPLIT and args.label_split != "per_class":
        raise SettingsError(
            f"label_split is {args.label_split!r}, but USB splits {args.dataset} itself; "
            "use label_split: per_class"
        )


def _get(args: Any, data_dir: Path) -> dict[str, Any]:
    algorithm = served_as(args.algorithm)
    labels, classes = args.num_labels, args.num_classes
    try:
        with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
            datasets: dict[str, Any] | None = get_dataset(
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
