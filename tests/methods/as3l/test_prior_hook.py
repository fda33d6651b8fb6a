"""The extension prior_label on every base: T = 0, zeros, what masking and targets see, resuming."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.run import assert_same_state, checkpoint_of, metrics_of, run
from support.usb import NUM_CLASSES, NUM_UNLABELLED, batch, build, our_class

from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.data.prior_file import Prior, write_prior
from usb_ext.methods.as3l import prior as as3l_prior
from usb_ext.methods.as3l.prior import PriorLabelHook
from usb_ext.methods.named import NAMED
from usb_ext.methods.step.base import Weak
from usb_ext.methods.step.registry import RULES
from usb_ext.methods.step.savings import Choice
from usb_ext.methods.step.views import Views

ALIGNED = ("softmatch", "adamatch", "instant")
"""Bases whose probabilities are aligned before the prior joins them."""


def table(kind: str) -> torch.Tensor:
    """Prior of every unlabelled example; a third of the mixed one is empty."""
    if kind == "zero":
        return torch.zeros(NUM_UNLABELLED, NUM_CLASSES)
    if kind == "uniform":
        return torch.full((NUM_UNLABELLED, NUM_CLASSES), 1 / NUM_CLASSES)
    votes = np.random.default_rng(0).integers(0, 3, size=(NUM_UNLABELLED, NUM_CLASSES))
    votes[::3] = 0
    return torch.from_numpy(votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)).float()


def with_prior(
    monkeypatch: pytest.MonkeyPatch, name: str, kind: str = "mixed", **changed: Any
) -> Any:
    monkeypatch.setattr(as3l_prior, "prior_of_run", lambda args: table(kind))
    made = build(our_class(name), extensions=["prior_label"], **{"prior_until": 10**6, **changed})
    made.rho_init = 1.5
    return made


def plain(name: str, **changed: Any) -> Any:
    made = build(our_class(name), **changed)
    made.rho_init = 1.5
    return made


def state_of(algorithm: Any) -> dict[str, Any]:
    """Tensors and numbers of the hooks that a base keeps."""
    return {
        f"{hook}.{key}": value
        for hook in ("MaskingHook", "DistAlignHook")
        for key, value in vars(algorithm.hooks_dict.get(hook, object)).items()
        if isinstance(value, torch.Tensor | float)
    }


def assert_same(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert left.keys() == right.keys()
    for key, value in left.items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(right[key])), key


def train(algorithm: Any, steps: int = 4) -> list[float]:
    losses = []
    for step in range(steps):
        algorithm.it = step
        out, _ = algorithm.train_step(**batch(seed=step))
        algorithm.optimizer.zero_grad()
        out["loss"].backward()
        algorithm.optimizer.step()
        losses.append(out["loss"].item())
    return losses


@pytest.mark.parametrize("name", list(RULES))
@pytest.mark.parametrize("how", [{"prior_until": 0}, {"kind": "zero"}], ids=["T = 0", "no prior"])
def test_equals_the_base_bit_by_bit(
    monkeypatch: pytest.MonkeyPatch, name: str, how: dict[str, Any]
) -> None:
    ours, base = with_prior(monkeypatch, name, **how), plain(name)
    assert train(ours) == train(base)
    for (key, left), right in zip(
        ours.model.named_parameters(), base.model.parameters(), strict=True
    ):
        assert torch.equal(left, right), key
    assert_same(state_of(ours), state_of(base))


@pytest.mark.parametrize("name", list(RULES))
def test_a_prior_changes_the_training_until_step_t(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Two steps with the prior, then none: from there on the losses alone tell nothing of it."""
    ours, base = (
        with_prior(monkeypatch, name, prior_until=2, p_cutoff=0.3),
        plain(name, p_cutoff=0.3),
    )
    assert train(ours, 2) != train(base, 2)
    seen = []
    joined = PriorLabelHook.join

    def watched(self: PriorLabelHook, algorithm: Any, weak: Weak) -> Weak:
        found: Weak = joined(self, algorithm, weak)
        seen.append((algorithm.it, found is weak))
        return found

    monkeypatch.setattr(PriorLabelHook, "join", watched)
    train(ours, 4)
    assert seen == [(0, False), (1, False), (2, True), (3, True)]


def views_of(algorithm: Any, seed: int) -> tuple[Views, torch.Tensor]:
    data = batch(seed)
    with torch.no_grad():
        views = algorithm._forward(Choice(), data["x_lb"], data["x_ulb_w"], data["x_ulb_s"])
    return views, data["idx_ulb"]


def by_hand(prior: torch.Tensor, probs: torch.Tensor) -> torch.Tensor:
    """Eq. 5, row by row."""
    rows = []
    for own, weak in zip(prior.double(), probs, strict=True):
        total = own + weak if own.sum() > 0 else weak
        rows.append(total / total.sum())
    return torch.stack(rows)


@pytest.mark.parametrize("name", [n for n in RULES if n not in ALIGNED])
def test_masking_targets_and_state_are_those_of_the_base_for_y_post(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The base alone, told that log y_post are its weak logits: FlexMatch's and FreeMatch's state too."""
    settings = {"p_cutoff": 0.6} if name in ("fixmatch", "flexmatch", "uda") else {}
    ours, base = with_prior(monkeypatch, name, **settings), plain(name, **settings)
    for step in range(3):
        ours.it = base.it = step
        views, indices = views_of(ours, step)
        weak = ours._weak(views, indices)
        got = ours._weights(weak), ours.rule.targets(ours, weak)
        post = by_hand(table("mixed")[indices], views.logits_w.softmax(dim=1))
        told = base.rule.weak(base, replace(views, logits_w=post.log()), indices)
        wanted = base.rule.weights(base, told), base.rule.targets(base, told)
        torch.testing.assert_close(got, wanted)
        torch.testing.assert_close(weak.probs, post)
    for key, value in state_of(base).items():
        torch.testing.assert_close(state_of(ours)[key], value)
    changed = views.logits_w.argmax(1) != weak.logits.argmax(1)
    assert changed.any(), "the prior changes no class, so too little is compared"


@pytest.mark.parametrize("name", ALIGNED)
def test_the_prior_joins_after_alignment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    ours, base = with_prior(monkeypatch, name), plain(name)
    for each in (ours, base):
        each.rule.batch(each, batch(0)["x_ulb_w"])
    views, indices = views_of(ours, 0)
    weak, own = ours._weak(views, indices), base.rule.weak(base, views, indices)
    prior = table("mixed")[indices]
    torch.testing.assert_close(weak.probs, by_hand(prior, own.probs))
    torch.testing.assert_close(weak.logits.softmax(1), by_hand(prior, views.logits_w.softmax(1)))
    assert not torch.allclose(own.probs, views.logits_w.softmax(1))
    align = base.hooks_dict["DistAlignHook"]
    torch.testing.assert_close(ours.hooks_dict["DistAlignHook"].p_model, align.p_model)
    told = base.rule.weights(base, replace(own, probs=weak.probs))
    torch.testing.assert_close(ours._weights(weak), told)
    hard = (weak.logits if name == "softmatch" else weak.probs).argmax(1)
    assert torch.equal(ours.rule.targets(ours, weak), hard)


@pytest.mark.parametrize("name", list(RULES))
def test_a_uniform_prior_changes_no_class(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    ours, base = with_prior(monkeypatch, name, kind="uniform"), plain(name)
    views, indices = views_of(ours, 1)
    weak, own = ours._weak(views, indices), base.rule.weak(base, views, indices)
    assert torch.equal(weak.probs.argmax(1), own.probs.argmax(1))
    assert torch.equal(weak.logits.argmax(1), own.logits.argmax(1))


def undecided(algorithm: Any, indices: torch.Tensor) -> torch.Tensor:
    """Weights of examples of which the model knows nothing: every class 1/5."""
    zeros = torch.zeros(len(indices), NUM_CLASSES, dtype=torch.float64)
    views = Views(zeros[:2], zeros, zeros, {}, None)
    weights: torch.Tensor = algorithm._weights(algorithm._weak(views, indices))
    return weights


def test_flexmatch_remembers_the_class_of_y_post(monkeypatch: pytest.MonkeyPatch) -> None:
    """A certain prior and a model at 1/5 give (1 + 1/5) / 2 = 0.6 for the prior's class."""
    prior = torch.zeros(NUM_UNLABELLED, NUM_CLASSES)
    prior[10, 3] = prior[11, 3] = prior[12, 1] = 1.0
    monkeypatch.setattr(as3l_prior, "prior_of_run", lambda args: prior)
    indices = torch.tensor([10, 11, 12, 13])
    for cutoff, remembered in ((0.59, [3, 3, 1, -1]), (0.61, [-1, -1, -1, -1])):
        ours = build(NAMED["as3l"], prior_until=1, p_cutoff=cutoff)
        ours.it = 0
        undecided(ours, indices)
        assert ours.hooks_dict["MaskingHook"].selected_label[indices].tolist() == remembered


def test_freematch_averages_the_confidence_of_y_post(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mean confidence (0.6 + 0.2) / 2 = 0.4; from 1/5 the threshold moves to 0.9 / 5 + 0.1 * 0.4."""
    prior = torch.zeros(NUM_UNLABELLED, NUM_CLASSES)
    prior[0, 2] = 1.0
    monkeypatch.setattr(as3l_prior, "prior_of_run", lambda args: prior)
    ours = build(our_class("freematch"), extensions=["prior_label"], prior_until=1, ema_p=0.9)
    ours.it = 0
    undecided(ours, torch.tensor([0, 1]))
    state = ours.hooks_dict["MaskingHook"]
    assert float(state.time_p) == pytest.approx(0.9 * 0.2 + 0.1 * 0.4, rel=1e-6)
    mean = [(0.1 + 0.2) / 2] * NUM_CLASSES
    mean[2] = (0.6 + 0.2) / 2
    wanted = [0.9 * 0.2 + 0.1 * m for m in mean]
    assert state.p_model.tolist() == pytest.approx(wanted, rel=1e-6)


def test_half_precision_is_widened_and_positions_are_needed() -> None:
    hook = PriorLabelHook(table("mixed"), until=1)
    algorithm = type("Algorithm", (), {"it": 0})()
    logits = torch.randn(4, NUM_CLASSES).bfloat16()
    weak = Weak(logits, logits.float().softmax(1), None, torch.arange(4))
    joined = hook.join(algorithm, weak)
    assert joined.logits.dtype == joined.probs.dtype == torch.float32
    with pytest.raises(RunFailed, match="idx_ulb"):
        hook.join(algorithm, replace(weak, indices=None))


def test_as3l_is_flexmatch_with_the_prior() -> None:
    declared = NAMED["as3l"].declared
    assert (declared.base, declared.extensions) == ("flexmatch", ("prior_label",))


def digits_prior(path: Path, seed: int = 0) -> str:
    """A prior of the 1,297 training digits: random classes, a tenth of them without."""
    rng = np.random.default_rng(seed)
    values = np.eye(10, dtype=np.float32)[rng.integers(10, size=1297)]
    values[::10] = 0
    names = tuple(map(str, range(10)))
    write_prior(path, Prior(values, np.arange(1297), names, "digits"))
    return str(path)


CASES: list[dict[str, Any]] = [
    {"algorithm": "as3l", "p_cutoff": 0.5},
    {"algorithm": "freematch", "extensions": ["prior_label"]},
]


@pytest.mark.parametrize("changed", CASES, ids=lambda c: c["algorithm"])
def test_resumed_run_is_bit_identical(tmp_path: Path, changed: dict[str, Any]) -> None:
    prior = digits_prior(tmp_path / "prior.npz")
    changed = {**changed, "prior_file": prior, "prior_until": 5, "num_threads": 1}
    whole = run(tmp_path / "whole", **changed)
    assert run(tmp_path / "cut", stop_after=3, **changed) is None
    resumed = run(tmp_path / "cut", resume=True, **changed)
    assert whole is not None and resumed is not None
    assert_same_state(checkpoint_of(tmp_path / "whole"), checkpoint_of(tmp_path / "cut"))
    assert metrics_of(tmp_path / "whole") == metrics_of(tmp_path / "cut")
    without = run(tmp_path / "without", **{**changed, "prior_until": 0})
    assert without is not None
    assert metrics_of(tmp_path / "without") != metrics_of(tmp_path / "whole")


def test_another_prior_does_not_go_on(tmp_path: Path) -> None:
    prior = digits_prior(tmp_path / "prior.npz")
    run(tmp_path, stop_after=3, algorithm="as3l", prior_file=prior)
    digits_prior(tmp_path / "prior.npz", seed=1)
    with pytest.raises(SettingsError, match="of other data: prior_file has another content"):
        run(tmp_path, algorithm="as3l", prior_file=prior, resume=True)
    (tmp_path / "run" / "data.json").unlink()  # as older runs are: the checkpoint itself tells
    with pytest.raises(SettingsError, match="other prior pseudo-labels than when the run began"):
        run(tmp_path, algorithm="as3l", prior_file=prior, resume=True)


def test_a_prior_of_another_set_ends_the_run_before_anything_is_written(tmp_path: Path) -> None:
    names = tuple(map(str, range(10)))
    few = Prior(np.zeros((5, 10), np.float32), np.arange(5), names)
    write_prior(tmp_path / "prior.npz", few)
    with pytest.raises(SettingsError, match="lacks 1292 of the 1297 unlabelled images"):
        run(tmp_path, algorithm="as3l", prior_file=str(tmp_path / "prior.npz"))
    assert not (tmp_path / "run").exists()
