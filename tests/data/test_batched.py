"""Batched views in a run: a function of seed and step, USB's views by name, the host when it must."""

import itertools
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.run import assert_same_state, checkpoint_of, metrics_of, run

from usb_ext.augment.recipe import UNLABELLED_VIEWS, recipe_of
from usb_ext.core.errors import SettingsError
from usb_ext.data.batched import (
    BatchedEvaluation,
    batched_eval_loader,
    batched_train_loader,
    serving_of,
)
from usb_ext.data.sets import prepare
from usb_ext.settings import load_settings

CPU = torch.device("cpu")


def sets(algorithm: str = "layermatch", **changed: Any) -> dict[str, Any]:
    given = {"dataset": "digits", "num_labels": 10, "img_size": 16, "algorithm": algorithm}
    settings = load_settings(given, changed).settings
    return prepare(Namespace(**{**settings.model_dump(), "label_seed": 0})).datasets


def loader(dataset: Any, seed: int = 0, budget: int = 2**30, algorithm: str = "layermatch") -> Any:
    return batched_train_loader(
        dataset, algorithm, CPU, budget, batch_size=300, num_iters=12, seed=seed, stream=2
    )


def test_batch_is_a_function_of_seed_and_step() -> None:
    data = sets()["train_ulb"]
    whole = list(loader(data))
    later = loader(data)
    assert later.block > 1, "the case should start in the middle of a block"
    later.batch_sampler.start_iter = 5
    rest = list(later)
    assert len(whole) == 12 and len(rest) == 7
    for left, right in zip(whole[5:], rest, strict=True):
        assert left.keys() == right.keys() == {"idx_ulb", "x_ulb_w", "x_ulb_s"}
        assert all(torch.equal(left[key], right[key]) for key in left)
    assert not torch.equal(whole[0]["x_ulb_s"], next(iter(loader(data, seed=1)))["x_ulb_s"])


def test_positions_are_those_of_the_usual_loader() -> None:
    from usb_ext.data.loaders import train_loader

    data = sets()["train_ulb"]
    usual = train_loader(
        data, batch_size=300, num_iters=12, start_iter=0, seed=0, stream=2, num_workers=0
    )
    batches = zip(loader(data), usual, strict=True)
    for ours, theirs in itertools.islice(batches, 6):  # the second permutation begins in the fifth
        assert torch.equal(ours["idx_ulb"], theirs["idx_ulb"])
        assert ours["x_ulb_w"].shape == theirs["x_ulb_w"].shape
        assert ours["x_ulb_w"].dtype == theirs["x_ulb_w"].dtype


def test_weak_views_are_shifted_images() -> None:
    """Each weak view is one of the 5 x 5 crops of its reflected image: found by trying them all."""
    data = sets()["train_ulb"]
    batch = next(iter(loader(data)))
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in data.transform.transforms[-1].__dict__.values()
                 if isinstance(v, list | tuple))  # fmt: skip
    for row in range(20):
        image = data.data[int(batch["idx_ulb"][row])]
        padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="reflect")
        view = batch["x_ulb_w"][row] * std + mean
        crops = [
            torch.from_numpy(padded[y : y + 16, x : x + 16]).permute(2, 0, 1).float() / 255
            for y in range(5)
            for x in range(5)
        ]
        assert min(float((crop - view).abs().max()) for crop in crops) < 1e-5


@pytest.mark.parametrize("algorithm", [*UNLABELLED_VIEWS, "defixmatch"])
def test_views_have_usbs_names(algorithm: str) -> None:
    data = sets(algorithm)
    for split in ("train_lb", "train_ulb"):
        expected = data[split][0].keys()
        found = next(iter(loader(data[split], algorithm=algorithm)))
        assert found.keys() == expected
        for key, value in data[split][0].items():
            assert found[key].shape[1:] == torch.as_tensor(value).shape, key


def test_rotations_are_labelled_by_their_angle() -> None:
    batch = next(iter(loader(sets("remixmatch")["train_ulb"], algorithm="remixmatch")))
    for view, turned, k in zip(
        batch["x_ulb_s_0"][:40], batch["x_ulb_s_0_rot"], batch["rot_v"], strict=False
    ):
        assert torch.equal(torch.rot90(view, int(k), (1, 2)), turned)
    assert set(batch["rot_v"].tolist()) == {0, 1, 2, 3}


def test_a_set_over_the_budget_gives_the_same_batches(caplog: pytest.LogCaptureFixture) -> None:
    data = sets()["train_ulb"]
    streamed = loader(data, budget=0)
    assert "image_budget_mb" in caplog.text
    for left, right in zip(loader(data), streamed, strict=True):
        assert all(torch.equal(left[key], right[key]) for key in left)
    streamed.batch_sampler.start_iter = 12
    assert list(streamed) == []


def test_evaluation_images_equal_usbs_transform() -> None:
    data = sets()["eval"]
    found = batched_eval_loader(data, CPU, 2**30, batch_size=64)
    assert isinstance(found, BatchedEvaluation) and len(found) == 8
    rows = list(found)
    images, labels = torch.cat([r["x_lb"] for r in rows]), torch.cat([r["y_lb"] for r in rows])
    assert labels.tolist() == data.targets.tolist()
    for position in (0, 250, 499):
        torch.testing.assert_close(images[position], data[position]["x_lb"], rtol=0, atol=1e-6)


def test_other_recipes_are_refused_with_the_way_out() -> None:
    from torchvision import transforms

    data = sets()["train_ulb"]
    data.transform = transforms.Compose([transforms.RandomResizedCrop(16), transforms.ToTensor()])
    assert recipe_of(data.transform) is None
    with pytest.raises(SettingsError, match="--augment usb"):
        serving_of(data, "layermatch")


@pytest.mark.parametrize("algorithm", ["layermatch", "flexmatch", "comatch"])
def test_batched_run_resumes_bit_identically(tmp_path: Path, algorithm: str) -> None:
    given = {"algorithm": algorithm, "augment": "batched"}
    if algorithm == "comatch":
        given.update(queue_batch=2, da_len=4)
    whole = run(tmp_path / "whole", **given)
    assert run(tmp_path / "cut", stop_after=3, **given) is None
    resumed = run(tmp_path / "cut", resume=True, **given)
    assert whole is not None and resumed is not None
    assert_same_state(checkpoint_of(tmp_path / "whole"), checkpoint_of(tmp_path / "cut"))
    assert metrics_of(tmp_path / "whole") == metrics_of(tmp_path / "cut")
