"""One line for the files of a data set that are not there, with the place to get them from."""

from pathlib import Path
from typing import Any

from usb_ext.core.errors import DataMissing
from usb_ext.upstream.usb_texts import TEXTS

SOURCES = {
    "cifar10": "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    "cifar100": "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    "stl10": "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
    "svhn": "http://ufldl.stanford.edu/housenumbers/ (train_32x32.mat, extra_32x32.mat, test_32x32.mat)",
}


def not_found(args: Any, data_dir: Path, error: Exception) -> DataMissing:
    """What is said where USB found no files and could fetch none: where it looked, and where they are.

    Args:
        args: the run's namespace.
        data_dir: the folder of all data sets.
        error: what USB's attempt raised.
    """
    where = data_dir / (args.dataset if args.dataset in TEXTS else args.dataset.lower())
    source = SOURCES.get(args.dataset)
    how = f"download {source} and unpack it there" if source else "USB's README tells how to get it"
    reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
    return DataMissing(
        f"{args.dataset} was not found in {where} and could not be fetched ({reason}); {how}, or name "
        "another folder with --data_dir"
    )
