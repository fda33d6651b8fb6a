"""InstanT in runs: every extension on it, resumed ones, what influence weighting is told, mistakes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.run import assert_same_state, checkpoint_of, metrics_of, run
from support.toy import run_points
from support.usb import TinyNet, our_class, usb_arguments

import usb_ext
from usb_ext.core.errors import SettingsError
from usb_ext.methods.bases.instant import MASKING
from usb_ext.methods.influence.hook import InfluenceWeightingHook
from usb_ext.settings import load_settings
from usb_ext.settings.algorithms import EXTENSIONS
from usb_ext.upstream.usb import ALGORITHMS

COMBINATIONS = [
    (), ("grad_relu",), ("avg_clustering",), ("grad_relu", "avg_clustering"), ("smooth_weight",),
    ("influence",), ("grad_relu", "avg_clustering", "smooth_weight", "influence"),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["instance", "class"])
@pytest.mark.parametrize("extensions", COMBINATIONS, ids="+".join)
def test_every_extension_goes_on_it(tmp_path: Path, extensions: tuple[str, ...], kind: str) -> None:
    """Points and two classes; the prior, which needs a file, is tried with every base in its own test."""
    assert {n for c in COMBINATIONS for n in c} | {"prior_label"} == set(EXTENSIONS)
    given: dict[str, Any] = {"num_val": 10} if "influence" in extensions else {}
    result = run_points(
        tmp_path, algorithm="instant", extensions=list(extensions), estimation=kind, warm_up_it=1,
        num_train_iter=2, num_eval_iter=2, p_cutoff=0.3, influence_every=1, **given,
    )  # fmt: skip
    assert result.iterations == 2 and result.extensions == list(extensions)
    rows = metrics_of(tmp_path)
    assert {"train/unsup_loss", "train/instant_threshold"} <= set(rows[-1])
    state = checkpoint_of(tmp_path)["usb_ext"]["hooks"][MASKING]
    assert state["optimizer"]["state"], "the estimator has taken no step"


def test_influence_is_told_what_is_learned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[torch.Tensor] = []
    remember = InfluenceWeightingHook.remember

    def watched(self: Any, targets: torch.Tensor, weights: torch.Tensor, scale: float) -> None:
        seen.append(targets)
        remember(self, targets, weights, scale)

    monkeypatch.setattr(InfluenceWeightingHook, "remember", watched)
    run_points(
        tmp_path, algorithm="instant", extensions=["influence"], num_val=10, warm_up_it=1,
        num_train_iter=2, num_eval_iter=2, influence_every=1,
    )  # fmt: skip
    assert [targets.ndim for targets in seen] == [1, 2]


@pytest.mark.parametrize(
    "changed",
    [
        {"estimation": "instance", "augment": "batched"},
        {"estimation": "class", "extensions": ["grad_relu", "avg_clustering"], "ac_reset_iter": 3},
        {
            "estimation": "instance",
            "use_cat": False,
            "hard_label": False,
            "ulb_loss_mean": "selected",
        },
    ],
    ids=str,
)
def test_a_resumed_run_is_bit_identical(tmp_path: Path, changed: dict[str, Any]) -> None:
    """Stopped in the warm-up and after it; estimator and its momentum go on where they were."""
    given = {"algorithm": "instant", "p_cutoff": 0.2, "warm_up_it": 3, **changed}
    run(tmp_path / "whole", **given)
    assert run(tmp_path / "cut", stop_after=2, **given) is None
    assert run(tmp_path / "cut", stop_after=6, resume=True, **given) is None
    run(tmp_path / "cut", resume=True, **given)
    left, right = checkpoint_of(tmp_path / "whole"), checkpoint_of(tmp_path / "cut")
    assert_same_state(left, right)
    assert metrics_of(tmp_path / "whole") == metrics_of(tmp_path / "cut")
    state = left["usb_ext"]["hooks"][MASKING]
    assert any(v["momentum_buffer"].any() for v in state["optimizer"]["state"].values())


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"warm_up_it": 1500, "num_train_iter": 1500},
            "warm_up_it is 1500, not below num_train_iter 1500",
        ),
        ({"estimation": "classes"}, "estimation: got 'classes'"),
        ({"scale": -1.0}, "scale: got -1"),
        ({"warm_up_it": -1}, "warm_up_it: got -1"),
        ({"step": "usb"}, "instant is ours"),
    ],
    ids=str,
)
def test_wrong_options_are_one_clear_sentence(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"algorithm": "instant", **changed})
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def headless(num_classes: int, **_: Any) -> torch.nn.Module:
    """A network whose last layer has a name that nobody looks for."""
    made: Any = TinyNet(num_classes)
    made.last = made.classifier
    del made.classifier
    return made  # type: ignore[no-any-return]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_network_without_a_head_is_refused_for_a_matrix_an_example() -> None:
    kind = our_class("instant")
    with pytest.raises(SettingsError, match="use estimation: class"):
        kind(usb_arguments(kind), headless)
    kind(usb_arguments(kind, estimation="class"), headless)


def test_usbs_own_registry_has_it() -> None:
    usb_ext.register()
    made = ALGORITHMS["instant"]
    assert made.declared.base == "instant"
    declared = {a.name.lstrip("-") for a in made.get_argument()}
    assert {"estimation", "scale", "warm_up_it", "estimator_lr", "ema_p"} <= declared
