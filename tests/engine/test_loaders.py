"""The loaders of a run: which there are, their sizes, workers and streams."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.built import built

from usb_ext.data.batched import BatchedEvaluation
from usb_ext.engine import loaders
from usb_ext.engine.loaders import LABELLED, UNLABELLED, VALIDATION, Loaders


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the training loaders were asked for with."""
    found: list[dict[str, Any]] = []
    original = loaders.train_loader

    def train_loader(dataset: Any, **words: Any) -> Any:
        found.append({"images": len(dataset), **words})
        return original(dataset, **words)

    monkeypatch.setattr(loaders, "train_loader", train_loader)
    return found


def row(of: dict[str, Any]) -> tuple[int, ...]:
    return tuple(of[k] for k in ("stream", "images", "batch_size", "num_workers", "num_iters"))


def test_sizes_workers_and_streams(tmp_path: Path, asked: list[dict[str, Any]]) -> None:
    """Twice the workers for the unlabelled, as in USB; none for the validation images."""
    given = {"batch_size": 3, "uratio": 4, "num_workers": 1, "seed": 5, "num_val": 30}
    algorithm = built(
        tmp_path, algorithm="influence_fixmatch", influence_every=2, influence_val_batch=50, **given
    )
    assert [row(of) for of in asked] == [
        (LABELLED, 10, 3, 1, 8),
        (UNLABELLED, 1267, 12, 2, 8),
        (VALIDATION, 30, 30, 0, 8),
    ]
    assert {of["seed"] for of in asked} == {5} and {of["start_iter"] for of in asked} == {0}
    assert list(algorithm.loader_dict) == ["train_lb", "train_ulb", "val", "eval", "validation"]
    assert (algorithm.args.lb_dest_len, algorithm.args.ulb_dest_len) == (10, 1267)


def test_what_a_run_does_not_look_at_has_no_loader(
    tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    """A training loader of validation images that no extension reads, and splits that there are not."""
    held_out = built(tmp_path, algorithm="fixmatch", num_val=30)
    assert "val" in held_out.dataset_dict and "val" not in held_out.loader_dict
    scored = [batch["y_lb"] for batch in held_out.loader_dict["validation"]]
    assert torch.equal(torch.cat(scored), torch.as_tensor(held_out.dataset_dict["val"].targets))
    asked.clear()
    datasets = {"train_lb": [0, 1, 2], "train_ulb": None, "eval": None, "test": None}
    alone = Loaders.__new__(Loaders)
    held_out.args.parts.datasets = datasets
    alone.args, alone.device, alone.num_train_iter = held_out.args, torch.device("cpu"), 8
    alone.dataset_dict = alone.set_dataset()
    assert list(alone.set_data_loader()) == ["train_lb"] and [of["images"] for of in asked] == [3]
    assert (alone.args.lb_dest_len, alone.args.ulb_dest_len) == (3, 0)


def test_batched_loaders_give_what_the_usual_ones_give(tmp_path: Path) -> None:
    """The same positions at each step, and the same images to be scored."""
    usual, batched = (
        built(tmp_path / augment, augment=augment, num_train_iter=4, epoch=1)
        for augment in ("usb", "batched")
    )
    for first, second in zip(usual.batches(), batched.batches(), strict=True):
        assert torch.equal(first["idx_ulb"], second["idx_ulb"])
        assert first.keys() == second.keys()
    assert isinstance(batched.loader_dict["eval"], BatchedEvaluation)
    pairs = zip(usual.loader_dict["eval"], batched.loader_dict["eval"], strict=True)
    for first, second in pairs:
        torch.testing.assert_close(first["x_lb"], second["x_lb"], rtol=0, atol=1e-6)
        assert torch.equal(first["y_lb"], torch.as_tensor(second["y_lb"]))
