"""Which parameters make the last block (USB's own networks: test_passes.py)."""

import pytest
import torch
from torch import nn

from usb_ext.core.errors import SettingsError
from usb_ext.methods.influence.passes import chosen_parameters

CLASSES = 4


def unit(width: int) -> nn.Module:
    """A residual unit whose shortcut is a Sequential of its own, registered last."""
    made = nn.Module()
    made.conv = nn.Linear(width, width)
    made.shortcut = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width))
    return made


class Stages(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
        self.stage = nn.Sequential(unit(2), unit(2), nn.ReLU())
        self.norm = nn.LayerNorm(2)
        self.classifier = nn.Sequential(nn.Linear(2, 2), nn.GELU(), nn.Linear(2, CLASSES))


def test_a_block_is_the_outer_one_with_all_that_follows() -> None:
    model = Stages()
    names = list(chosen_parameters(model, model.classifier[2], "last_block"))
    wanted = ["stage.1.conv.", "stage.1.shortcut.", "norm.", "classifier."]
    assert names == [n for n, _ in model.named_parameters() if n.startswith(tuple(wanted))]
    assert names[0] == "stage.1.conv.weight" and names[-1] == "classifier.2.bias"


def test_of_a_plain_perceptron_it_is_the_last_hidden_layer() -> None:
    model = nn.Module()
    model.body = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU())
    model.head = nn.Linear(5, CLASSES)
    found = list(chosen_parameters(model, model.head, "last_block"))
    assert found == ["body.2.weight", "body.2.bias", "head.weight", "head.bias"]
    assert list(chosen_parameters(model, model.head, "head")) == found[2:]


def test_frozen_parameters_are_left_out() -> None:
    model = Stages()
    for parameter in model.stage[1].parameters():
        parameter.requires_grad_(False)
    names = list(chosen_parameters(model, model.classifier[2], "last_block"))
    assert names[0] == "stage.0.conv.weight" and not any(n.startswith("stage.1") for n in names)
    assert torch.equal(chosen_parameters(model, model.classifier[2], "network")[names[0]],
                       model.stage[0].conv.weight)  # fmt: skip


def test_a_network_without_blocks_is_named() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Linear(2, 2), nn.Linear(2, CLASSES)

    flat = Flat()
    with pytest.raises(SettingsError, match="Flat has no Sequential"):
        chosen_parameters(flat, flat.head, "last_block")
