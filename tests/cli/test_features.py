"""The flags that the commands on features share."""

import argparse
from pathlib import Path

import faiss
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from usb_ext.as3l.clustering.fine_tuning import Tuning
from usb_ext.cli.features import (
    add_data_flags,
    add_feature_flags,
    check_counts,
    data_settings,
    path_of,
    tuning_of,
)
from usb_ext.core.errors import SettingsError


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_feature_flags(parser)
    add_data_flags(parser)
    return parser.parse_args(["--features", "f.npz", *words])


def test_the_defaults_are_the_papers() -> None:
    arguments = parsed()
    check_counts(arguments)
    assert tuning_of(arguments) == Tuning(runs=6, epochs=40, normalise="l2", points_per_center=None)
    assert data_settings(arguments) is None
    assert path_of(None) is None and path_of("a/b") == Path("a/b")


def test_a_data_set_comes_from_flags_or_a_file_and_flags_win(tmp_path: Path) -> None:
    by_flags = data_settings(parsed("--dataset", "digits", "--img-size", "8", "--num_classes", "7"))
    assert by_flags is not None
    assert (by_flags.dataset, by_flags.img_size, by_flags.num_classes) == ("digits", 8, 7)
    (tmp_path / "c.yaml").write_text("dataset: svhn\nimg_size: 16\n")
    by_file = data_settings(parsed("--c", str(tmp_path / "c.yaml"), "--data_dir", "here"))
    assert by_file is not None
    assert (by_file.dataset, by_file.img_size, by_file.data_dir) == ("svhn", 16, "here")


@pytest.mark.parametrize(
    ("flag", "value"),
    [("runs", 0), ("tune_epochs", -1), ("seed", -1), ("points_per_center", 0), ("threads", 0)],
)
def test_numbers_out_of_range(flag: str, value: int) -> None:
    with pytest.raises(
        SettingsError, match=f"--{flag} is {value}; it must be at least {value + 1}"
    ):
        check_counts(parsed(f"--{flag}", str(value)))


def test_threads_are_limited_in_every_library() -> None:
    """One core of two: the session's limit on torch is put back afterwards."""
    before = torch.get_num_threads()
    with threadpool_limits(limits=2):
        tuning_of(parsed("--threads", "1"))
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
        assert (faiss.omp_get_max_threads(), torch.get_num_threads()) == (1, 1)
    torch.set_num_threads(before)
