"""What is logged of an update of the weights, and what others read of them."""

from types import SimpleNamespace

import torch

from usb_ext.methods.influence.hook import WEIGHTING_HOOK, example_weights
from usb_ext.methods.influence.update import Found, summary


def test_numbers_of_an_update_by_hand() -> None:
    """Weights 0, 1, 2, 0: mean 3/4, population variance 11/16, half of them zero."""
    table = torch.tensor([0.0, 1.0, 2.0, 0.0])
    found = Found(torch.zeros(4), torch.tensor(0.5, dtype=torch.float64), raises=1, iterations=7)
    logged = summary(table, found, raised=3)
    assert {k.removeprefix("train/influence_"): v.item() for k, v in logged.items()} == {
        "val_loss": 0.5, "weight_mean": 0.75, "weight_std": torch.tensor(11 / 16).sqrt().item(),
        "weight_zero": 0.5, "damping_raised": 3.0, "products": 7.0,
    }  # fmt: skip
    assert {v.dtype for v in logged.values()} == {torch.float32}


def test_one_shared_weight_has_no_spread() -> None:
    found = Found(torch.zeros(1), torch.tensor(0.0), 0, 0)
    assert summary(torch.tensor([0.5]), found, 0)["train/influence_weight_std"] == 0


def test_weights_are_a_copy_and_none_without_the_hook() -> None:
    table = torch.tensor([1.0, 2.0], dtype=torch.float64)
    run = SimpleNamespace(hooks_dict={WEIGHTING_HOOK: SimpleNamespace(weights=table)})
    read = example_weights(run)
    assert read is not None and read.dtype == torch.float32
    table.zero_()
    assert read.tolist() == [1.0, 2.0]
    assert example_weights(SimpleNamespace(hooks_dict={})) is None
