"""Supervised training and CRMatch, which USB gives loops of their own."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.built import built
from support.run import run

from usb_ext.core.errors import SettingsError


@pytest.mark.parametrize("name", ["supervised", "fullysupervised"])
def test_supervised_training_looks_at_labelled_images_only(tmp_path: Path, name: str) -> None:
    algorithm = built(tmp_path, algorithm=name)
    assert "train_ulb" not in algorithm.loader_dict
    assert set(next(algorithm.batches())) == {"idx_lb", "x_lb", "y_lb"}
    assert len(algorithm.dataset_dict["train_lb"]) == (10 if name == "supervised" else 1297)


def test_supervised_training_takes_the_steps_it_is_asked_for(tmp_path: Path) -> None:
    """USB's own loop goes on for one more if the loader lets it."""
    result = run(tmp_path, algorithm="supervised")
    assert result is not None and result.iterations == 8


def test_rotated_images_belong_to_the_step(tmp_path: Path) -> None:
    def rotated(name: str, step: int, **seeds: Any) -> dict[str, torch.Tensor]:
        algorithm = built(tmp_path / name, algorithm="crmatch", img_size=32, label_seed=0, **seeds)
        algorithm.it = step
        batch: dict[str, torch.Tensor] = algorithm.extra_batch()
        return batch

    whole = built(tmp_path / "w", algorithm="crmatch", img_size=32, label_seed=0)
    steps = [whole.extra_batch() for _ in range(4)]
    again, other = rotated("a", 3), rotated("b", 3, seed=1)
    assert torch.equal(steps[3]["x_ulb_rot"], again["x_ulb_rot"])
    assert not torch.equal(steps[2]["x_ulb_rot"], again["x_ulb_rot"])
    assert not torch.equal(other["x_ulb_rot"], again["x_ulb_rot"])


def test_rotations_are_turned_and_labelled_as_in_usb(tmp_path: Path) -> None:
    algorithm = built(tmp_path, algorithm="crmatch", img_size=32)
    batch = algorithm.extra_batch()
    upright, *turned = batch["x_ulb_rot"].chunk(4)
    assert batch["rot_v"].tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    for times, images in enumerate(turned, start=1):
        assert torch.equal(images, torch.rot90(upright, times, dims=(2, 3)))
    wanted = algorithm.process_batch(**next(algorithm.batches()), **batch)
    assert set(wanted) == {"x_lb", "y_lb", "x_ulb_w", "x_ulb_s", "x_ulb_rot", "rot_v"}


def test_without_rotation_loss_there_are_no_rotations(tmp_path: Path) -> None:
    algorithm = built(tmp_path, algorithm="crmatch", img_size=32, rot_loss_ratio=0.0)
    assert algorithm.extra_batch() == {} and "rotated" not in algorithm.loader_dict


def test_crmatch_names_the_image_size_that_its_network_needs(tmp_path: Path) -> None:
    """64 features of 8 x 8 places; 16 pixels leave 4 x 4."""
    with pytest.raises(SettingsError, match="4096 numbers, but img_size 16 gives 1024.*32"):
        run(tmp_path, algorithm="crmatch")
    assert not (tmp_path / "run").exists()
