"""Each of LayerMatch's settings files, built and stepped on a stand-in data set of the real one's format.

Network, image size, optimizer, schedule and data pipeline are the file's. Changed, to fit a test: the
batch (1 labelled image; for WRN-28-8 and ResNet-50 also 1 unlabelled one), two steps (one for those two),
no workers, `num_labels` for ImageNet-100 (the stand-in has 3 images a class, not 1,300), and the address of
the pre-trained weights, for a file of random ones in the same form.
"""

import functools
import math
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import sets

import usb_ext
from usb_ext.core.errors import Interrupted
from usb_ext.engine.loop import Loop
from usb_ext.engine.parts import Stop
from usb_ext.settings import Settings, load_settings
from usb_ext.training import train as stage
from usb_ext.upstream.nets import net_builder
from usb_ext.upstream.usb import Hook

CONFIG = Path(usb_ext.__file__).parents[1] / "config"
VITS = {
    "layermatch_cifar10_10": ("vit_tiny_patch2_32", 257),
    "layermatch_cifar100_200": ("vit_small_patch2_32", 257),
    "layermatch_stl10_10": ("vit_base_patch16_96", 197),
}
"""Network and positions in the file of weights: (32 / 2)^2 + 1; MAE's are those of 224 pixels, 14^2 + 1."""
SCRATCH = {
    "layermatch_scratch_cifar10_40": (2, 7),
    "layermatch_scratch_cifar100_400": (1, 1),
    "layermatch_scratch_stl10_40": (2, 7),
    "layermatch_scratch_imagenet100_10000": (1, 1),
}
"""Steps, and unlabelled images a step (7 are the file's own `uratio`)."""


class Witness(Hook):
    """Keeps the losses and learning rates of each step, and asks to stop after the last."""

    def __init__(self, stop: Stop, steps: int) -> None:
        super().__init__()
        self.stop, self.steps = stop, steps
        self.losses: list[dict[str, float]] = []
        self.rates: list[float] = []

    def before_train_step(self, algorithm: Any) -> None:
        self.rates.append(algorithm.optimizer.param_groups[-1]["lr"])

    def after_train_step(self, algorithm: Any) -> None:
        self.losses.append({k: float(v) for k, v in algorithm.log_dict.items() if "loss" in k})
        if len(self.losses) == self.steps:
            self.stop.requested = signal.SIGTERM


def stand_in(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Files in the right form; what the command line would say to use them."""
    data = folder / "data"
    if "imagenet" in name:
        classes = [f"n{number:08d}" for number in range(101)]
        sets.imagenet(data, classes, per_class=3)
        (folder / "list.txt").write_text("\n".join(reversed(classes[:100])))
        return {"data_dir": str(data), "class_list": str(folder / "list.txt"), "num_labels": 200}
    if "stl10" in name:
        sets.stl10(data, monkeypatch, per_class=5)
    else:
        dataset = "cifar100" if "cifar100" in name else "cifar10"
        sets.cifar(data, dataset, monkeypatch, per_file=500)
    return {"data_dir": str(data)}


def random_weights(
    net: str, positions: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, torch.Tensor]:
    """Weights as USB publishes them, under "model", for another number of classes."""
    with monkeypatch.context() as patch, torch.device("meta"):  # names and shapes alone
        patch.setattr(torch, "linspace", functools.partial(torch.linspace, device="cpu"))
        wanted = net_builder(net)(num_classes=3).state_dict()
    noise = 0.02 * torch.randn(9973, generator=torch.Generator().manual_seed(0))

    def filled(*shape: int) -> torch.Tensor:
        count = math.prod(shape)
        return noise.repeat(-(-count // len(noise)))[:count].reshape(shape)

    state = {key: filled(*value.shape) for key, value in wanted.items()}
    state["pos_embed"] = filled(1, positions, state["pos_embed"].shape[-1])
    torch.save({"model": state}, path)
    return state


def stepped(
    name: str, steps: int, folder: Path, monkeypatch: pytest.MonkeyPatch, **changed: Any
) -> tuple[Any, Witness, Settings, dict[str, torch.Tensor]]:
    """Train a file for some steps; the algorithm, what was seen, the settings, the first weights."""
    small: dict[str, Any] = {
        "batch_size": 1, "num_workers": 0, "num_threads": 1, "device": "cpu", "progress": "off",
        "save_dir": str(folder / "runs"),
    }  # fmt: skip
    given = {**small, **stand_in(name, folder, monkeypatch), **changed}
    loaded, stop = load_settings(CONFIG / f"{name}.yaml", given), Stop()
    kept: list[Any] = []

    def start(algorithm: Any, *_: Any) -> None:
        first = {k: v.clone() for k, v in algorithm.model.state_dict().items()}
        witness = Witness(stop, steps)
        algorithm.register_hook(witness, "Witness", "VERY_LOW")
        kept.extend((algorithm, witness, first))
        algorithm.start_hooks()
        algorithm.train()

    monkeypatch.setattr(stage, "_run", start)
    monkeypatch.setattr(Loop, "save", lambda _: None)  # a checkpoint of ViT-B is a gigabyte
    with pytest.raises(Interrupted):
        stage.train(loaded, stop)
    algorithm, witness, first = kept
    return algorithm, witness, loaded.settings, first


def check_steps(
    algorithm: Any, witness: Witness, s: Settings, first: dict[str, torch.Tensor]
) -> None:
    """The steps were made, with every loss of Eq. 9, and moved the head and what is below it."""
    assert algorithm.it == len(witness.losses) == witness.steps
    for losses in witness.losses:
        assert {"train/sup_loss", "train/unsup_loss", "train/ac_loss"} <= set(losses)
        assert all(math.isfinite(value) for value in losses.values())
    now = algorithm.model.state_dict()
    moved = {key.split(".")[0] for key in now if not torch.equal(now[key], first[key])}
    assert len(moved) > 3 and moved & {"head", "classifier", "fc"}
    labelled = algorithm.loader_dict["train_lb"].dataset
    assert len(labelled) == s.num_labels
    assert np.bincount(labelled.targets).tolist() == [s.num_labels // s.num_classes] * s.num_classes
    assert labelled[0]["x_lb"].shape == (3, s.img_size, s.img_size)


@pytest.mark.parametrize("name", VITS)
def test_a_pre_trained_family_steps(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, positions = VITS[name]
    weights = random_weights(net, positions, tmp_path / "weights.pth", monkeypatch)
    pretrained = {"pretrain_path": str(tmp_path / "weights.pth")}
    algorithm, witness, s, first = stepped(name, 2, tmp_path, monkeypatch, **pretrained)
    check_steps(algorithm, witness, s, first)
    assert torch.equal(first["blocks.0.attn.qkv.weight"], weights["blocks.0.attn.qkv.weight"])
    assert first["head.weight"].shape[0] == s.num_classes
    head = algorithm.optimizer.param_groups[-1]
    assert isinstance(algorithm.optimizer, torch.optim.AdamW) and head["betas"][0] == 0.9
    np.testing.assert_allclose(witness.rates, [0.0, s.lr / 5120], rtol=1e-9)
    rates = {group["initial_lr"] / s.lr for group in algorithm.optimizer.param_groups}
    expected = {s.layer_decay**depth for depth in range(14)}  # head, 12 blocks, patches
    np.testing.assert_allclose(sorted(rates), sorted(expected), rtol=1e-9)


@pytest.mark.parametrize("name", SCRATCH)
def test_a_family_from_scratch_steps(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, uratio = SCRATCH[name]
    algorithm, witness, s, first = stepped(name, steps, tmp_path, monkeypatch, uratio=uratio)
    check_steps(algorithm, witness, s, first)
    optimizer = algorithm.optimizer
    assert isinstance(optimizer, torch.optim.SGD) and optimizer.param_groups[0]["momentum"] == 0.9
    assert sorted(g["weight_decay"] for g in optimizer.param_groups) == [0.0, s.weight_decay]
    schedule = [0.03 * math.cos(7 * math.pi * k / (16 * 2**20)) for k in range(steps)]  # Table 7
    np.testing.assert_allclose(witness.rates, schedule, rtol=1e-12)
