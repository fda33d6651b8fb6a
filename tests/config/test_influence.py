"""The influence runs that ship: they load, and say what the paper says (Ren et al., 2020)."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

import usb_ext
from usb_ext.data.toy import TOYS
from usb_ext.settings import load_settings
from usb_ext.training.train import train

CONFIG = Path(usb_ext.__file__).parents[1] / "config"
BENCHMARKS = [f"{data}_{base}" for data in ("cifar10", "svhn") for base in ("uda", "fixmatch")]
ALL = [*BENCHMARKS, "imdb_20", "digits_40", *TOYS]
TABLE_1 = {
    "cifar10_uda": "5.53 5.38 5.17 5.14 4.75 8.76 6.68 5.87 5.51 5.29",
    "svhn_uda": "2.45 2.39 2.33 2.32 2.35 2.76 2.70 2.55 2.57 2.47",
    "cifar10_fixmatch": "5.05 4.68 4.35 5.23 4.82 4.48",
    "svhn_fixmatch": "2.63 2.34 2.15 2.77 2.41 2.17",
}
"""Test errors in % of Table 1: with weights, then the base (FixMatch as reproduced there)."""


def path_of(name: str) -> Path:
    return CONFIG / f"influence_{name}.yaml"


def heading(name: str) -> str:
    """The comment at the top, in one line."""
    lines = path_of(name).read_text(encoding="utf-8").splitlines()
    return " ".join(line[2:] for line in lines if line.startswith("# ") and lines.index(line) < 8)


def settings(name: str, **changed: Any) -> Any:
    return load_settings(path_of(name), changed).settings


def test_no_file_is_left_out() -> None:
    assert sorted(CONFIG.glob("influence_*.yaml")) == sorted(map(path_of, ALL))


@pytest.mark.parametrize("name", ALL)
def test_each_is_flat_and_opens_with_its_command_and_its_aim(name: str) -> None:
    text = path_of(name).read_text(encoding="utf-8")
    command = f"# python usb_ext/train.py --c config/influence_{name}.yaml"
    assert text.splitlines()[0].startswith(command)
    assert re.search(r"Table|Fig\.", heading(name))
    values = YAML(typ="safe", pure=True).load(text)
    assert all(isinstance(v, bool | int | float | str) for v in values.values())
    found = settings(name)
    assert {k: getattr(found, k) for k in values} == values
    assert found.active_extensions == ("influence",)


@pytest.mark.parametrize("name", BENCHMARKS)
@pytest.mark.parametrize("labels", [250, 500, 1000, 2000, 4000])
def test_image_benchmarks_are_those_of_section_4(name: str, labels: int) -> None:
    found = settings(name, num_labels=labels)
    data, base = name.split("_")
    assert (found.dataset, found.active_base, found.net) == (data, base, "wrn_28_2")
    assert (found.num_val, found.batch_size, found.influence_val_batch) == (1024, 64, 320)
    assert found.batch_size * found.uratio == {"uda": 256, "fixmatch": 448}[base]
    assert (found.influence_every, found.influence_lr) == (100, 0.01)
    assert (found.influence_optimizer, found.influence_weights) == ("m_adam", "per_example")
    assert found.run_name == f"influence_{base}_{data}_{labels}_s0"


@pytest.mark.parametrize("name", BENCHMARKS)
def test_they_aim_at_table_1(name: str) -> None:
    assert re.findall(r"\b\d\.\d\d\b", heading(name)) == TABLE_1[name].split()


def test_imdb_is_table_2() -> None:
    found = settings("imdb_20")
    assert (found.dataset, found.net) == ("aclImdb", "bert_base_uncased")
    assert (found.num_labels, found.num_val, found.max_length) == (20, 20, 128)
    assert (found.active_base, found.use_cat) == ("uda", False)
    assert re.findall(r"\b\d\.\d\d\b", heading("imdb_20")) == ["8.51", "0.14", "8.98", "0.26"]


@pytest.mark.parametrize("name", sorted(TOYS))
def test_toys_are_section_4_1(name: str) -> None:
    found = settings(name)
    assert (found.dataset, found.net, found.active_base) == (name, "mlp_100_100", "pseudolabel")
    assert (found.num_labels, found.num_val) == (10, 30)
    assert found.toy_train - found.num_labels - found.num_val == 1000
    assert not found.include_lb_to_ulb
    assert (found.optim, found.weight_decay) == ("AdamW", 0)  # which is Adam


def test_digits_have_forty_labels_and_take_either_base() -> None:
    found = settings("digits_40")
    assert (found.num_labels, found.num_val, found.active_base) == (40, 100, "uda")
    other = settings("digits_40", algorithm="influence_fixmatch")
    assert (other.active_base, other.T, other.p_cutoff) == ("fixmatch", 0.5, 0.95)
    bare = settings("digits_40", algorithm="uda")
    assert (bare.active_extensions, bare.T, bare.num_val) == ((), 0.4, 100)
    assert settings("digits_40", influence=False).active_extensions == ()


def test_a_toy_run_leaves_its_figure_and_its_weights(tmp_path: Path) -> None:
    """The file's own command, shortened: 1,000 weights, of which those of trained points have moved."""
    short = {"num_train_iter": 6, "num_eval_iter": 6, "epoch": 1, "boundary_panels": 3}
    quiet = {"save_dir": str(tmp_path), "save_name": "run", "progress": "off", "device": "cpu"}
    result = train(load_settings(path_of("moons"), {**short, **quiet}))
    assert result.extensions == ["influence"] and result.iterations == 6
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"boundary.png", "weights.npz", "weights.png"} <= names
    state = torch.load(tmp_path / "run" / "latest_model.pth", weights_only=True)["usb_ext"]["hooks"]
    panels = state["BoundaryHook"]["panels"]
    table = state["InfluenceWeightingHook"]["table"]
    assert [panel["step"] for panel in panels] == [1, 3, 6]
    assert table.shape == (1000,) and torch.equal(panels[-1]["weights"], table.float())
    assert 0 < int((panels[0]["weights"] != 1).sum()) <= 200  # one batch
