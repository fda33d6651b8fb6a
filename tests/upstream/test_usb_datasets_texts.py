"""USB's texts: shared and not copied, split as asked for, and what is said of damaged files."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.text import write_texts

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.sets import prepare
from usb_ext.settings.data import TEXT_NETS
from usb_ext.settings.data import TEXTS as NAMES
from usb_ext.upstream.text_nets import HUB
from usb_ext.upstream.usb_datasets import TEXTS, as_objects


def args(folder: Path, **changed: Any) -> Namespace:
    given = {
        "algorithm": "uda", "dataset": "aclImdb", "data_dir": str(folder), "num_classes": 2,
        "num_labels": 4, "label_split": "per_class", "label_seed": 1, "lb_imb_ratio": 1.0,
        "ulb_imb_ratio": 1.0, "ulb_num_labels": None, "include_lb_to_ulb": False, "seed": 0,
        "num_val": 6, "val_index_file": None, "imbalance_class": None, "imbalance_fraction": None,
    }  # fmt: skip
    return Namespace(**{**given, **changed})


def test_one_long_text_does_not_widen_the_others() -> None:
    long = "x" * 1_000_000
    table = as_objects([("a", "b", "c")] * 500 + [(long, "d", "e")])
    assert table.shape == (501, 3) and table.nbytes == 501 * 3 * 8
    assert table[500, 0] is long and table[7].tolist() == ["a", "b", "c"]
    assert as_objects([]).shape == (0, 0)


def test_every_text_is_in_one_part_with_its_own_augmentations(tmp_path: Path) -> None:
    write_texts(tmp_path)
    prepared = prepare(args(tmp_path))
    parts = {name: prepared.datasets[name] for name in ("train_lb", "train_ulb", "val")}
    assert {name: len(part) for name, part in parts.items()} == {
        "train_lb": 4, "train_ulb": 20, "val": 6,
    }  # fmt: skip
    rows = [
        (tuple(row), int(y))
        for p in parts.values()
        for row, y in zip(p.data, p.targets, strict=True)
    ]
    raw = json.loads((tmp_path / "aclImdb" / "train.json").read_text())
    wanted = [((v["ori"], v["aug_0"], v["aug_1"]), int(v["label"])) for v in raw.values()]
    assert sorted(rows) == sorted(wanted)
    assert all(np.asarray(part.data).dtype == object for part in parts.values())
    assert len(prepared.datasets["eval"]) == 8 and len(prepared.datasets["test"]) == 10


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"0": {"ori": "a"', "not as USB writes it .*delimiter"),
        ('{"0": {"ori": "a"}}', "no 'aug_0'"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, content: str, message: str) -> None:
    write_texts(tmp_path)
    (tmp_path / "aclImdb" / "train.json").write_text(content)
    with pytest.raises(SettingsError, match=message) as caught:
        prepare(args(tmp_path))
    assert str(tmp_path / "aclImdb") in str(caught.value)


def test_missing_files_are_looked_for_where_they_belong(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=str(tmp_path / "aclImdb")):
        prepare(args(tmp_path))


def test_names_agree() -> None:
    assert TEXTS == NAMES
    assert set(TEXT_NETS) == set(HUB)
