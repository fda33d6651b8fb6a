"""CoSSL: loaders from (seed, step), a second optimizer, and a second head from its epoch on."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import progress
import pytest
import torch
from support.built import UNBALANCED, built
from support.run import run

from usb_ext.core.errors import SettingsError
from usb_ext.upstream.device import cuda_means
from usb_ext.upstream.usb_cossl import CoSSLParamUpdateHook

OPTIONS: dict[str, Any] = {
    **UNBALANCED, "imb_algorithm": "cossl", "cossl_tfe_warm_bs": 8, "cossl_tfe_u_ratio": 2,
}  # fmt: skip


def batch_at(algorithm: Any, name: str, step: int) -> dict[str, torch.Tensor]:
    algorithm.it = step
    batch: dict[str, torch.Tensor] = next(iter(algorithm.loader_dict[name]))
    return batch


@pytest.mark.parametrize(("name", "view"), [("tfe_train_lb", "x_lb"), ("tfe_train_ulb", "x_ulb_s")])
def test_further_loaders_depend_on_the_step(tmp_path: Path, name: str, view: str) -> None:
    first, second = built(tmp_path / "a", **OPTIONS), built(tmp_path / "b", **OPTIONS)
    torch.manual_seed(5)
    assert torch.equal(batch_at(first, name, 3)[view], batch_at(second, name, 3)[view])
    assert not torch.equal(batch_at(first, name, 3)[view], batch_at(first, name, 4)[view])
    assert len(batch_at(first, name, 0)[view]) == (4 if view == "x_lb" else 8)


def test_labelled_images_are_drawn_evenly_by_class(tmp_path: Path) -> None:
    """Six images of class 0 and one of class 9 count alike: 300 draws, 30 expected each, sd 5.2."""
    algorithm = built(tmp_path, **OPTIONS)
    sampler = algorithm.loader_dict["tfe_train_lb"].loader.batch_sampler
    targets = np.asarray(algorithm.dataset_dict["train_lb"].targets)
    drawn = targets[np.concatenate([sampler.positions(t) for t in range(75)])]
    counts = np.bincount(drawn, minlength=10)
    assert counts.sum() == 300 and counts.min() >= 12 and counts.max() <= 50


def test_second_head_learns_by_both_optimizers_from_its_epoch_on(tmp_path: Path) -> None:
    algorithm = built(tmp_path, **OPTIONS, cossl_warm_epoch=1)
    head = algorithm.model.teacher_classifier.weight
    for epoch, stepped in ((0, False), (1, True)):
        algorithm.epoch = epoch
        head.grad = torch.ones_like(head)
        algorithm.optimizer.step()
        assert bool(algorithm.tfe_optimizer.state) is stepped
        algorithm.optimizer.zero_grad()


def test_second_head_learns_where_standard_error_was_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The package of USB's bar keeps the stream that it found when it was imported; USB ends with it."""
    found_once = io.TextIOWrapper(io.BytesIO())
    found_once.close()
    monkeypatch.setattr(progress.Infinite, "file", found_once)
    algorithm = built(tmp_path, **OPTIONS, cossl_warm_epoch=1)
    before = algorithm.model.teacher_classifier.weight.clone()
    algorithm.epoch = 1
    with cuda_means(algorithm.device):
        with pytest.raises(ValueError, match="closed file"):
            CoSSLParamUpdateHook.before_train_epoch(None, algorithm)
        capfd.readouterr()
        algorithm.call_hook("before_train_epoch", "SecondHeadHook")
    assert not torch.equal(algorithm.model.teacher_classifier.weight, before)
    assert capfd.readouterr().err == ""


def test_balanced_labels_are_refused_before_any_work(tmp_path: Path) -> None:
    """USB's class fails in the middle, with an empty list of features."""
    with pytest.raises(SettingsError, match=r"cossl.* all have 1 images.*--lb_imb_ratio"):
        run(tmp_path, algorithm="fixmatch", imb_algorithm="cossl", cossl_tfe_warm_bs=5)
    assert not (tmp_path / "run").exists()
