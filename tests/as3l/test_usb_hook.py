"""AS3L's stages as a hook on USB's unmodified classes, in USB's own loop."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.ssl import TINY
from support.usb import usb_arguments, usb_class

import usb_ext
from usb_ext.as3l.workflow import made_files
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.arrays import load_digits_arrays
from usb_ext.settings import Settings, load_settings
from usb_ext.upstream.device import cuda_means
from usb_ext.upstream.nets import wrn_10_1
from usb_ext.upstream.quiet import printed_to_log
from usb_ext.upstream.shared import drop_hooks
from usb_ext.upstream.usb import BasicDataset

CPU = torch.device("cpu")
ARRAYS = load_digits_arrays(8)
COUNT = len(ARRAYS.train_targets)


def tensor(image: Any) -> torch.Tensor:
    """A view that changes nothing."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def settings(folder: Path, **changed: Any) -> Settings:
    given = {
        **TINY, "algorithm": "as3l", "label_split": "file", "label_file": "auto", "prior_file": "auto",
        "prior_until": 2, "use_pretrain": True, "pretrain_path": "auto", "ssl_epochs": 1,
        "as3l_tune_epochs": 1, "as3l_runs": 2, "save_dir": str(folder),
    }  # fmt: skip
    return load_settings(given, changed).settings


def built(name: str = "fixmatch", labels: int = 10, **changed: Any) -> Any:
    """USB's class on the digits, whose first images are labelled, without evaluation or checkpoints."""
    own = usb_arguments(
        usb_class(name), dataset="digits", num_classes=10, num_labels=labels, net="wrn_10_1",
        train_sampler="RandomSampler", num_workers=0, eval_batch_size=500, ulb_dest_len=COUNT,
        epoch=1, num_train_iter=3, batch_size=4, lr=0.01, **changed,
    )  # fmt: skip
    torch.manual_seed(7)
    with printed_to_log():
        made = usb_class(name)(own, lambda num_classes, **_: wrn_10_1(num_classes))
    first = np.arange(labels)

    def served(rows: Any, **kind: Any) -> BasicDataset:
        images, targets = ARRAYS.train_images[rows], ARRAYS.train_targets[rows]
        return BasicDataset(name, images, targets, 10, tensor, **kind)

    made.dataset_dict = {
        "train_lb": served(first), "eval": served(first), "test": None,
        "train_ulb": served(np.arange(COUNT), is_ulb=True, strong_transform=tensor),
    }  # fmt: skip
    kinds = [type(made.hooks_dict[n]) for n in ("EvaluationHook", "CheckpointHook", "LoggingHook")]
    drop_hooks(made, *kinds)
    return made


def trained(made: Any, asked: Settings) -> Any:
    """The algorithm after USB's `train` with the hook, and all that the hook joined."""
    hook = usb_ext.AS3LHook(asked, lambda _: None)
    made.register_hook(hook, "AS3LHook", "HIGHEST")
    joined, original = [], hook.joined

    def watched(it: int, probs: torch.Tensor) -> torch.Tensor:
        found = original(it, probs)
        assert hook.indices is not None
        joined.append((it, hook.indices.clone(), probs.detach(), found.detach()))
        return found

    hook.joined = watched  # type: ignore[method-assign]
    with cuda_means(CPU), printed_to_log():
        made.train()
    return joined


@pytest.mark.parametrize("name", ["fixmatch", "flexmatch"])
def test_stages_come_first_and_priors_join_until_t(name: str, tmp_path: Path) -> None:
    asked = settings(tmp_path)
    made = built(name)
    joined = trained(made, asked)
    files = made_files(asked)
    chosen = json.loads(files.selected.read_text())["ids"]
    labelled = made.dataset_dict["train_lb"]
    assert labelled.targets.tolist() == ARRAYS.train_targets[chosen].tolist()
    np.testing.assert_array_equal(labelled.data, ARRAYS.train_images[chosen])
    assert made.it == 3 and [step[0] for step in joined] == [0, 1, 2]
    assert files.prior is not None
    prior = torch.from_numpy(np.load(files.prior)["prior"])
    for it, indices, probs, found in joined:
        total = prior[indices] + probs
        wanted = total / total.sum(1, keepdim=True) if it < 2 else probs
        torch.testing.assert_close(found, wanted)
        assert (it < 2) == bool((found - probs).abs().max() > 1e-3)


def test_the_network_and_its_average_start_from_pre_training(tmp_path: Path) -> None:
    asked, made = settings(tmp_path, prior_label=False), built("freematch")
    made.start_epoch = made.epochs  # no step
    assert trained(made, asked) == []
    backbone = torch.load(made_files(asked).features.with_name("backbone.pth"))["model"]
    for network in (made.model, made.ema_model):
        for key, value in network.state_dict().items():
            assert key.startswith("classifier") or torch.equal(value, backbone[key]), key
    made.it = 1  # as after USB's own resuming
    with torch.no_grad():
        made.model.conv1.weight.fill_(3.0)
    with cuda_means(CPU), printed_to_log():
        made.train()
    assert (made.model.conv1.weight == 3).all()


def test_what_does_not_fit_is_refused_before_work(tmp_path: Path) -> None:
    for made, changed, said in (
        (built(), {"num_labels": 20}, "num_labels is 20 in the settings of AS3LHook, but 10"),
        (built("freematch"), {}, "cannot join the step of USB's FreeMatch"),
        (built(), {"label_split": "random", "label_file": None}, "as3l_strategy: random"),
    ):
        with pytest.raises(SettingsError, match=said):
            trained(made, settings(tmp_path, **changed))
    with pytest.raises(DataMissing, match="no such file"):
        trained(built(), settings(tmp_path, as3l_labels="mine.csv"))
    assert not (tmp_path / "ssl").exists()


def test_an_algorithm_built_for_other_images_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", features=np.random.default_rng(0).normal(size=(COUNT, 4)))
    own = {"features": str(tmp_path / "own.npz"), "use_pretrain": False, "pretrain_path": None}
    with pytest.raises(SettingsError, match=f"built for {COUNT} unlabelled.*has {COUNT - 10}"):
        trained(built(include_lb_to_ulb=False), settings(tmp_path, **own))
