"""Validation batches by number: images or texts, read from where an update stands."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from usb_ext.core.errors import SettingsError
from usb_ext.data.loaders import train_loader
from usb_ext.methods.influence.hook import ValidationBatches

CPU = torch.device("cpu")


class Numbered:
    """Twelve examples that are their own position, as images or as texts."""

    def __init__(self, text: bool) -> None:
        self.text = text

    def __len__(self) -> int:
        return 12

    def __getitem__(self, i: int) -> dict[str, Any]:
        x = torch.full((2,), float(i))
        return {"idx_lb": i, "x_lb": {"input_ids": x} if self.text else x, "y_lb": i % 3}


def algorithm(text: bool) -> Any:
    loader = train_loader(
        Numbered(text), batch_size=5, num_iters=9, start_iter=0, seed=1, stream=7, num_workers=0
    )
    return SimpleNamespace(loader_dict={"val": loader})


@pytest.mark.parametrize("text", [True, False], ids=["text", "image"])
def test_batches_go_on_from_any_number(text: bool) -> None:
    whole, run = ValidationBatches(), algorithm(text)
    every = [whole.batch(run, number, CPU) for number in range(9)]
    later = ValidationBatches()
    run = algorithm(text)
    for number in range(4, 9):
        inputs, labels = later.batch(run, number, CPU)
        wanted, wanted_labels = every[number]
        if text:
            assert isinstance(inputs, dict) and isinstance(wanted, dict)
            inputs, wanted = inputs["input_ids"], wanted["input_ids"]
        assert torch.equal(inputs, wanted) and torch.equal(labels, wanted_labels)
        assert torch.equal(inputs[:, 0].long() % 3, labels)
    seen = torch.cat([labels for _, labels in every[:2]])
    assert len(seen) == 10 and len(every[0][1]) == 5


def test_without_a_loader_the_remedy_is_named() -> None:
    with pytest.raises(SettingsError, match="num_val"):
        ValidationBatches().batch(SimpleNamespace(loader_dict={}), 0, CPU)
