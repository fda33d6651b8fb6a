"""Imbalanced algorithms on the label counts of real folders: they work, or are refused in one sentence."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from support.run import metrics_of, run

from usb_ext.core.errors import SettingsError
from usb_ext.upstream.usb import IMB_ALGORITHMS

NAMES = sorted(IMB_ALGORITHMS.keys())
FEW: dict[str, Any] = {
    "algorithm": "fixmatch", "num_train_iter": 4, "num_eval_iter": 2, "epoch": 2, "batch_size": 4,
    "uratio": 1, "num_log_iter": 1, "daso_num_pretrain_iter": 1, "daso_num_pl_dist_iter": 1,
    "darp_warmup_epochs": 0, "tras_warmup_epochs": 0, "cossl_tfe_warm_bs": 2, "crest_num_gens": 2,
    "p_cutoff": 0.0, "label_split": "file",
}  # fmt: skip
"""Every algorithm's own part from the first steps on."""


def labels(folder: Path, counts: list[int]) -> Path:
    """A list of labelled digits with so many of each class."""
    from usb_ext.data.arrays import load_digits_arrays

    targets = load_digits_arrays(8).train_targets
    rows: list[int] = []
    for number, count in enumerate(counts):
        rows += (targets == number).nonzero()[0][:count].tolist()
    path = folder / "labels.json"
    path.write_text(json.dumps(rows))
    return path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("counts", [[1, 0] + [2] * 8, [9] + [1] * 9, [2] * 10])
def test_few_labels_work_or_are_refused(tmp_path: Path, name: str, counts: list[int]) -> None:
    file = labels(tmp_path, counts)
    own = {k: v for k, v in FEW.items() if "_" not in k or k.split("_")[0] in name or k in COMMON}
    try:
        run(tmp_path, imb_algorithm=name, label_file=str(file), **own)
    except SettingsError as error:
        assert name in str(error) and "\n" not in str(error) and "use" in str(error)
        assert not (tmp_path / "run").exists()
        return
    for row in metrics_of(tmp_path):
        assert all(math.isfinite(v) for v in row.values() if isinstance(v, float)), row


COMMON = {
    "num_train_iter",
    "num_eval_iter",
    "batch_size",
    "num_log_iter",
    "p_cutoff",
    "label_split",
}


def test_a_class_without_a_label_is_named(tmp_path: Path) -> None:
    file = labels(tmp_path, [1, 0, *[1] * 8])
    with pytest.raises(SettingsError, match=r"1 of 10 classes have none \(1\)"):
        run(
            tmp_path,
            algorithm="fixmatch",
            imb_algorithm="abc",
            label_split="file",
            label_file=str(file),
        )


def test_fewer_labels_than_cossls_batch(tmp_path: Path) -> None:
    file = labels(tmp_path, [3, *[1] * 9])
    with pytest.raises(SettingsError, match="no batch; use --cossl_tfe_warm_bs 10$"):
        run(
            tmp_path,
            algorithm="fixmatch",
            imb_algorithm="cossl",
            label_split="file",
            label_file=str(file),
        )
