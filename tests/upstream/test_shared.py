"""What several of the mended algorithms share: loaders by step, hooks taken out, seeded evaluation."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.built import UNBALANCED, built

from usb_ext.engine.hooks.record import RecordHook
from usb_ext.engine.hooks.update import ParameterUpdateHook
from usb_ext.upstream import shared as usb_shared
from usb_ext.upstream.device import cuda_means
from usb_ext.upstream.shared import FromStep


def test_a_loader_from_the_step_begins_where_the_run_stands() -> None:
    def from_step(loader: list[str]) -> Iterator[str]:
        return iter(loader[algorithm.it :])

    algorithm = SimpleNamespace(it=2, from_step=from_step)
    loader = FromStep(algorithm, ["a", "b", "c", "d"])
    assert list(loader) == ["c", "d"]
    algorithm.it = 3
    assert list(loader) == ["d"]


def test_streams_differ_from_each_other_and_from_the_engines() -> None:
    from usb_ext.engine.loaders import LABELLED, UNLABELLED

    streams = [v for k, v in vars(usb_shared).items() if k.isupper() and type(v) is int]
    assert len(streams) == 4
    assert len({*streams, LABELLED, UNLABELLED}) == 6


def test_hooks_that_replaced_the_engines_are_out_again(tmp_path: Path) -> None:
    crest = built(tmp_path / "crest", imb_algorithm="crest", **UNBALANCED)
    assert isinstance(crest.hooks_dict["LoggingHook"], RecordHook)
    assert "CheckpointHook" not in crest.hooks_dict and "DistAlignHook" in crest.hooks_dict
    cossl = built(tmp_path / "cossl", imb_algorithm="cossl", cossl_tfe_warm_bs=8, **UNBALANCED)
    assert isinstance(cossl.hooks_dict["ParamUpdateHook"], ParameterUpdateHook)
    assert list(cossl.hooks_dict)[:2] == ["ParamUpdateHook", "SecondHeadHook"]


@pytest.mark.parametrize("imbalanced", ["saw", "adsh", "crest"])
def test_evaluation_on_unlabelled_images_depends_on_the_seed_alone(
    tmp_path: Path, imbalanced: str
) -> None:
    """USB's differs from call to call, and moves the generators that training draws from."""

    def logits(name: str, batch: int, **seeds: Any) -> Any:
        algorithm = built(
            tmp_path / name, imb_algorithm=imbalanced, eval_batch_size=batch, **UNBALANCED, **seeds
        )
        torch.manual_seed(batch)
        before = torch.get_rng_state(), np.random.get_state()[1].copy()
        scored = algorithm.evaluate("eval_ulb", return_logits=True)
        assert torch.equal(before[0], torch.get_rng_state())
        assert (before[1] == np.random.get_state()[1]).all()
        return scored["eval_ulb/logits"], algorithm.loader_dict["eval_ulb"].dataset

    first, images = logits("a", 500)
    second, _ = logits("b", 7)
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-5)
    views = images[0]["x_lb"], images[0]["x_lb"]
    assert torch.equal(*views)
    _, others = logits("c", 500, seed=1, label_seed=0)
    assert not all(torch.equal(images[i]["x_lb"], others[i]["x_lb"]) for i in range(8))


def test_unlabelled_images_of_unknown_class_are_evaluated_without_scores(tmp_path: Path) -> None:
    """A folder without labels serves -1; USB's scores would be meaningless, ours would raise."""
    algorithm = built(tmp_path, imb_algorithm="saw", **UNBALANCED)
    algorithm.dataset_dict["eval_ulb"].targets[:] = -1
    found = algorithm.evaluate("eval_ulb", return_logits=True)
    assert list(found) == ["eval_ulb/logits"]
    algorithm.epoch = 0
    with cuda_means(algorithm.device):
        algorithm.call_hook("after_train_epoch", "SAWWeightsHook")
    assert torch.isfinite(algorithm.x_ulb_weights).all()
