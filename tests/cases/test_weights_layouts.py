"""Weights as other codes save them: below prefixes and keys, beside arguments, of a body called mlp."""

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch

from usb_ext.upstream.nets import net_builder

OWN = """from torch import nn
class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(768, 8), nn.ReLU())
        self.classifier = nn.Linear(8, num_classes)
    def forward(self, x):
        return self.classifier(self.mlp(x))
"""
STEP = (
    "--lr",
    "1e-9",
    "--weight_decay",
    "0",
    "--num_train_iter",
    1,
    "--num_eval_iter",
    1,
    "--save_dir",
    "out",
)


def layouts(w: dict[str, torch.Tensor]) -> dict[str, Any]:
    """The same weights as SimSiam, Lightning, torch.compile, timm's scripts, DINO and MAE leave them."""
    below = {
        p: {p + k: v for k, v in w.items()} for p in ("module.encoder.", "backbone.", "_orig_mod.")
    }
    return {
        "simsiam": {"state_dict": below["module.encoder."], "epoch": 3},
        "lightning": {"state_dict": below["backbone."]},
        "compiled": below["_orig_mod."],
        "other_key": {"net": w, "acc": 1.0},
        "dino": {"teacher": below["backbone."]},
        "mae": {"model": w, "args": argparse.Namespace(lr=1.0)},
    }


@pytest.mark.parametrize("layout", ["simsiam", "lightning", "compiled", "other_key", "dino", "mae"])
def test_weights_of_the_same_network_are_loaded_and_it_is_said(
    typed: Any, tmp_path: Path, layout: str
) -> None:
    torch.manual_seed(3)
    weights = net_builder("wrn_10_1")(num_classes=10).state_dict()
    torch.save(layouts(weights)[layout], tmp_path / "w.pth")
    code, said = typed(
        "train", "--c", "c.yaml", "--pretrain_path", "w.pth", "--save_name", layout, *STEP
    )
    assert code == 0 and "tensors loaded" in said
    state = torch.load(tmp_path / "out" / layout / "latest_model.pth", weights_only=True)
    torch.testing.assert_close(
        state["model"]["conv1.weight"], weights["conv1.weight"], atol=1e-5, rtol=0
    )


def test_a_body_called_mlp_is_filled_and_a_foreign_file_refused(typed: Any, tmp_path: Path) -> None:
    (tmp_path / "net_called_mlp.py").write_text(OWN)
    with (tmp_path / "c.yaml").open("a") as file:
        file.write("use_pretrain: True\n")
    lines = (tmp_path / "c.yaml").read_text().replace("net: wrn_10_1", "net: net_called_mlp:Net")
    (tmp_path / "c.yaml").write_text(lines)
    body = {"mlp.1.weight": torch.full((8, 768), 0.123), "mlp.1.bias": torch.full((8,), 0.123)}
    torch.save(body, tmp_path / "own.pth")
    torch.save({"foo.weight": torch.zeros(3)}, tmp_path / "foreign.pth")
    code, said = typed(
        "train", "--c", "c.yaml", "--pretrain_path", "own.pth", "--save_name", "own", *STEP
    )
    assert code == 0 and "2 of 2 tensors loaded" in said
    state = torch.load(tmp_path / "out" / "own" / "latest_model.pth", weights_only=True)["model"]
    (weight,) = [v for k, v in state.items() if k.endswith("mlp.1.weight")]
    assert weight.mean().item() == pytest.approx(0.123, abs=1e-4)
    code, said = typed(
        "train", "--c", "c.yaml", "--pretrain_path", "foreign.pth", "--save_name", "f", *STEP
    )
    assert code == 3 and "fill 0% of the network" in said and not (tmp_path / "out" / "f").exists()
