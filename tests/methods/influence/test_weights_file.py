"""Weights read back from a file, and every file that belongs to something else refused."""

import math
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.methods.influence.weights_file import read_weights

ARGS = Namespace(
    dataset="digits", label_split="per_class", label_seed=3, num_labels=40, num_val=100,
    include_lb_to_ulb=True,
)  # fmt: skip
GOOD: dict[str, Any] = {"index": [4, 0], "weight": [0.5, 2.0], "dataset": "digits", "n": 5}


def written(folder: Path, **changed: Any) -> Path:
    content = {k: v for k, v in {**GOOD, **changed}.items() if v is not None}
    np.savez(folder / "w.npz", **content)
    return folder / "w.npz"


def test_weights_stand_at_their_positions_and_the_others_are_one(tmp_path: Path) -> None:
    split = {"label_seed": 3, "num_val": 100, "include_lb_to_ulb": True}
    found = read_weights(written(tmp_path, **split), ARGS, 5, 2.0)
    assert found.tolist() == [2.0, 1.0, 1.0, 1.0, 0.5]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dataset": "svhn"}, "is of svhn with 5 .* this run has digits with 5"),
        ({"n": 6}, "digits with 6 .* digits with 5"),
        ({"label_seed": 0}, "was made with label_seed 0, but this run has 3"),
        ({"num_labels": 10}, "num_labels 10, but this run has 40"),
        ({"index": [5, 0]}, "from 0 to 5; allowed: 0 to 4"),
        ({"index": [-1, 0]}, "from -1 to 0"),
        ({"index": [4, 4]}, "stands twice"),
        ({"index": [4]}, r"\(1,\) and weight \(2,\)"),
        ({"weight": [0.5, 2.1]}, "numbers from 0 to 2"),
        ({"weight": [-0.1, 1]}, "numbers from 0"),
        ({"weight": [np.nan, 1]}, "numbers from 0"),
        ({"weight": None}, "lacks weight; it needs index, weight, dataset, n"),
    ],
)
def test_another_table_is_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        read_weights(written(tmp_path, **changed), ARGS, 5, 2.0)
    assert caught.value.exit_code == 2


def test_without_a_bound_any_weight_will_do(tmp_path: Path) -> None:
    path = written(tmp_path, weight=[900.0, 0.0])
    assert read_weights(path, ARGS, 5, math.inf)[4] == 900


def test_no_file_and_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="none.npz: no such file"):
        read_weights(tmp_path / "none.npz", ARGS, 5, 2.0)
    whole = written(tmp_path).read_bytes()
    for content in (b"index,weight\n", whole[: len(whole) // 2], b""):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(SettingsError, match="is no .npz of arrays"):
            read_weights(tmp_path / "bad.npz", ARGS, 5, 2.0)
    np.save(tmp_path / "one.npy", np.ones(3))
    with pytest.raises(SettingsError, match="is no .npz of arrays"):
        read_weights(tmp_path / "one.npy", ARGS, 5, 2.0)
