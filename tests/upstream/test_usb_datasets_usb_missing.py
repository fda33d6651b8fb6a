"""The line about files that are not there: folder, source and reason."""

from argparse import Namespace
from pathlib import Path

import pytest

from usb_ext.upstream.usb_datasets import SOURCES, not_found


@pytest.mark.parametrize(
    ("dataset", "folder", "how"),
    [
        ("cifar10", "cifar10", f"download {SOURCES['cifar10']} and unpack it there"),
        ("aclImdb", "aclImdb", "USB's README tells how to get it"),
        ("EuroSAT", "eurosat", "USB's README"),
    ],
)
def test_it_names_the_folder_and_where_to_get_the_files(
    dataset: str, folder: str, how: str
) -> None:
    error = not_found(Namespace(dataset=dataset), Path("/data"), OSError("no route\nto host"))
    text = str(error)
    assert f"/data/{folder} " in text and how in text and "(no route)" in text
    assert "\n" not in text and error.exit_code == 3
