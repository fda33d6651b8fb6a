"""Settings of other people's code, or with a slip: check-config says ok only where train begins."""

from pathlib import Path
from typing import Any

import pytest

from usb_ext.settings.sources import read_yaml

SLIPS: dict[str, dict[str, Any]] = {
    "an algorithm of a fork": {"algorithm": "refixmatch"},
    "a spelling": {"algorithm": "FixMatch"},
    "settings without their code": {"imb_algorithm": "simis"},
    "a network of another package": {"net": "densenet121"},
    "a module that is not there": {"net": "nowhere.mod:f"},
    "a data set's spelling": {"dataset": "CIFAR10"},
    "too few classes": {"num_classes": 5, "num_labels": 5},
    "more labels than images": {"num_labels": 5000},
    "an algorithm for other images": {"algorithm": "crmatch"},
    "an algorithm for no points": {
        "algorithm": "mixmatch", "dataset": "moons", "num_classes": 2, "num_labels": 4, "net": "mlp_100_100",
    },
    "a weight above its limit": {"algorithm": "smoothfixmatch", "lambda_phi": 5.0},
    "a split that USB makes": {"dataset": "imagenet", "label_split": "random"},
    "more validation images than there are": {"num_val": 2000},
    "a precision of other hardware": {"amp": "fp16"},
    "a file that is not there": {"label_split": "file", "label_file": "nothere.csv"},
    "weights that are not there": {"use_pretrain": True},
    "prior labels that are not there": {"algorithm": "as3l", "prior_file": "x.npz"},
    "an option that fails at once": {"imb_algorithm": "daso", "daso_num_pretrain_iter": 0},
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
def test_check_config_refuses_what_train_refuses(typed: Any, tmp_path: Path, slip: str) -> None:
    values = {**read_yaml(tmp_path / "c.yaml"), **SLIPS[slip]}
    (tmp_path / "slip.yaml").write_text("".join(f"{k}: {v}\n" for k, v in values.items()))
    checked = typed("check-config", "slip.yaml")
    trained = typed("train", "--c", "slip.yaml", "--save_dir", "out")
    assert checked[0] == trained[0] != 0
    assert checked[1].removeprefix("slip.yaml: ") == trained[1].removeprefix("usb-ext: ")
    assert trained[1].count("\n") == 1 and not (tmp_path / "out").exists()


def test_settings_that_need_the_stages_of_as3l_are_ok(typed: Any, tmp_path: Path) -> None:
    with (tmp_path / "c.yaml").open("a") as file:
        file.write("label_split: file\nlabel_file: auto\nprior_file: auto\n")
    lines = (tmp_path / "c.yaml").read_text().replace("fixmatch", "as3l")
    (tmp_path / "c.yaml").write_text(lines)
    assert typed("check-config", "c.yaml") == (0, "c.yaml: ok\n")
