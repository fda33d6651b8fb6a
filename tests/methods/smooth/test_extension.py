"""The factor on each base: above 0 exactly where that base's own hard mask is 1, with its threshold."""

import logging
import math
from typing import Any

import pytest
import torch
from support.usb import batch, build, our_class

from usb_ext.core.errors import SettingsError
from usb_ext.methods.smooth.extension import SmoothWeightHook
from usb_ext.methods.smooth.weight import smooth_weight
from usb_ext.settings.algorithms import bases_with_threshold

STEPS = 12
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("fixmatch", {"p_cutoff": 0.7}),
    ("uda", {"p_cutoff": 0.7}),
    ("pseudolabel", {"p_cutoff": 0.7}),
    ("fixmatch_eman", {"p_cutoff": 0.7}),
    ("flexmatch", {"p_cutoff": 0.7}),
    ("flexmatch", {"p_cutoff": 0.7, "thresh_warmup": False}),
    ("freematch", {"ema_p": 0.5}),
    ("freematch", {"ema_p": 0.5, "use_quantile": True}),
    ("adamatch", {"p_cutoff": 0.9, "ema_p": 0.8}),
    ("instant", {"p_cutoff": 0.7, "warm_up_it": 4}),
    ("instant", {"p_cutoff": 0.7, "warm_up_it": 0, "estimation": "class"}),
    ("dash", {"gamma": 1.5}),
    ("dash", {"rho_min": 1.5}),
]


def instant_thresholds(
    matrices: torch.Tensor | None, rows: list[list[float]], cutoff: float
) -> list[float]:
    """InstanT's, from its matrices of label noise (None in the warm-up) and a temperature of 0.5."""
    relative = cutoff * sum(map(max, rows)) / len(rows)
    if matrices is None:
        return [relative] * len(rows)
    found = []
    for number, row in enumerate(rows):
        noise = (matrices if matrices.ndim == 2 else matrices[number]).tolist()
        powers = [math.exp(p / 0.5) for p in row]
        softened = [power / sum(powers) for power in powers]
        label = row.index(max(row))
        softened[label] = sorted(softened)[-2]
        doubt = sum(noise[i][label] * share for i, share in enumerate(softened))
        found.append(min(relative + doubt, 0.99))
    return found


def thresholds(name: str, algorithm: Any, before: Any, call: dict[str, Any]) -> list[float]:
    """tau of each example, in plain Python from what USB's hook is given and remembers."""
    hook = algorithm.hooks_dict["MaskingHook"]
    scores = call["logits_x_ulb"].tolist()
    classes = [row.index(max(row)) for row in scores]
    cutoff = getattr(algorithm, "p_cutoff", None)
    if name == "flexmatch":
        return [cutoff * before[c] / (2 - before[c]) for c in classes]
    if name == "freematch":
        largest = max(hook.p_model.tolist())
        return [float(hook.time_p) * float(hook.p_model[c]) / largest for c in classes]
    if name == "adamatch":
        rows = call["logits_x_lb"].tolist()
        return [cutoff * sum(max(row) for row in rows) / len(rows)] * len(scores)
    if name == "instant":
        return instant_thresholds(hook.matrices, scores, cutoff)
    if name == "dash":
        return [math.exp(-hook.rho)] * len(scores)
    return [cutoff] * len(scores)


@pytest.mark.parametrize(("name", "changed"), VARIANTS, ids=str)
def test_above_zero_exactly_where_the_mask_is_one(name: str, changed: dict[str, Any]) -> None:
    algorithm = build(our_class(name), extensions=["smooth_weight"], **changed)
    algorithm.rho_init = 1.5
    masking, smooth = (algorithm.hooks_dict[k] for k in ("MaskingHook", "SmoothWeightHook"))
    seen: dict[str, Any] = {}
    base_mask, factor = masking.masking, smooth.masking

    def mask_and_keep(algorithm: Any, **call: Any) -> torch.Tensor:
        before = getattr(masking, "classwise_acc", torch.zeros(0)).tolist()
        seen["mask"] = base_mask(algorithm, **call)
        seen["tau"] = thresholds(name, algorithm, before, call)
        return seen["mask"]

    def factor_and_keep(algorithm: Any, **call: Any) -> torch.Tensor:
        seen.update(call)
        seen["factor"] = factor(algorithm, **call)
        return seen["factor"]

    masking.masking, smooth.masking = mask_and_keep, factor_and_keep
    kinds = set()
    for step in range(STEPS):
        algorithm.it = step
        out, log = algorithm.train_step(**batch(seed=step))
        tau = torch.tensor(seen["tau"], dtype=torch.float64)
        ties = (seen["confidence"] - tau).abs() < 1e-12
        assert not ties.any()
        assert torch.equal(seen["factor"] > 0, seen["mask"] > 0)
        torch.testing.assert_close(seen["threshold"].double(), tau, rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(
            seen["factor"], smooth_weight(seen["confidence"], tau), rtol=1e-5, atol=1e-6
        )
        assert log["train/util_ratio"] == pytest.approx(float(seen["factor"].mean()), rel=1e-6)
        assert not seen["factor"].requires_grad
        kinds |= set(seen["mask"].tolist())
        algorithm.optimizer.zero_grad()
        out["loss"].backward()
        algorithm.optimizer.step()
    assert kinds == {0.0, 1.0}, "the case does not have both kinds"


def test_every_base_with_a_threshold_is_tried_and_softmatch_refused() -> None:
    assert {name for name, _ in VARIANTS} == set(bases_with_threshold())
    with pytest.raises(SettingsError, match="softmatch"):
        build(our_class("softmatch"), extensions=["smooth_weight"])


@pytest.mark.parametrize(("exponent", "mu"), [("linear", 1.0), ("sq", 2.0), (0.5, 0.5)])
def test_smooth_fixmatch_against_a_loop(exponent: object, mu: float) -> None:
    """Eq. 21 example by example: loss, and the gradient with the factor as a constant."""
    tau, weight = 0.6, 1.5
    changed = {"p_cutoff": tau, "smooth_exponent": exponent, "extensions": ["smooth_weight"]}
    algorithm = build(our_class("fixmatch"), **changed)
    reference = build(our_class("fixmatch")).model
    data = batch(seed=5)
    out, _ = algorithm.train_step(**data)
    out["loss"].backward()

    rows = torch.cat((data["x_lb"], data["x_ulb_w"], data["x_ulb_s"]))
    logits = reference(rows)["logits"]
    n, u = len(data["y_lb"]), len(data["x_ulb_w"])
    total = 0.0
    for i in range(n):
        total = total - logits[i].log_softmax(0)[data["y_lb"][i]] / n
    for i in range(u):
        score, label = logits[n + i].detach().softmax(0).max(dim=0)
        factor = max(0.0, (score.item() - tau) / (1 - tau)) ** mu
        total = total - weight * factor * logits[n + u + i].log_softmax(0)[label] / u
    torch.testing.assert_close(out["loss"], total)
    total.backward()  # type: ignore[attr-defined]
    for (key, ours), (_, theirs) in zip(
        algorithm.model.named_parameters(), reference.named_parameters(), strict=True
    ):
        torch.testing.assert_close(ours.grad, theirs.grad, msg=key)


def test_a_tiny_exponent_is_fixmatch() -> None:
    plain = build(our_class("fixmatch"), p_cutoff=0.6)
    smooth = build(
        our_class("fixmatch"), p_cutoff=0.6, extensions=["smooth_weight"], smooth_exponent=1e-9
    )
    data = batch(seed=5)
    (a, log), (b, _) = plain.train_step(**data), smooth.train_step(**data)
    assert 0 < log["train/util_ratio"] < 1
    torch.testing.assert_close(a["loss"], b["loss"], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("mean", ["batch", "selected"])
def test_factor_as_a_loss_against_a_loop(mean: str) -> None:
    """Eq. 23: what it adds to the loss and to the gradient, for the linear factor."""
    tau, ratio = 0.6, 0.2
    changed = {"p_cutoff": tau, "extensions": ["smooth_weight"], "ulb_loss_mean": mean}
    without = build(our_class("fixmatch"), **changed)
    with_it = build(our_class("fixmatch"), lambda_phi=ratio, **changed)
    data = batch(seed=5)
    (a, _), (b, log) = without.train_step(**data), with_it.train_step(**data)
    a["loss"].backward()
    b["loss"].backward()
    reference = build(our_class("fixmatch")).model
    rows = torch.cat((data["x_lb"], data["x_ulb_w"], data["x_ulb_s"]))
    n, u = len(data["y_lb"]), len(data["x_ulb_w"])
    scores = reference(rows)["logits"][n : n + u].softmax(1).amax(1)
    chosen = [s for s in scores if s > tau]
    count = u if mean == "batch" else len(chosen)
    extra = sum(-ratio * ((s.item() - tau) / (1 - tau)) * (s - tau) / (1 - tau) for s in chosen)
    extra = extra / count
    torch.testing.assert_close(b["loss"] - a["loss"], extra)
    torch.testing.assert_close(log["train/phi_loss"], extra.detach())
    extra.backward()
    parameters = [dict(m.model.named_parameters()) for m in (without, with_it)]
    for key, value in reference.named_parameters():
        difference = parameters[1][key].grad - parameters[0][key].grad
        torch.testing.assert_close(difference, value.grad, msg=key)


def run_once(ratio: float, cutoff: float = 0.6) -> tuple[SmoothWeightHook, Any]:
    changed = {"p_cutoff": cutoff, "extensions": ["smooth_weight"], "lambda_phi": ratio}
    algorithm = build(our_class("fixmatch"), **changed)
    _, algorithm.log_dict = algorithm.train_step(**batch(seed=5))
    hook = algorithm.hooks_dict["SmoothWeightHook"]
    hook.after_train_step(algorithm)
    return hook, algorithm


def test_the_limit_is_measured_logged_and_said(caplog: pytest.LogCaptureFixture) -> None:
    """lambda_u (1 - tau) / s_eq with lambda_u 1.5 and s_eq the mean confidence of the selected."""
    hook, algorithm = run_once(0.1)
    reference = build(our_class("fixmatch")).model
    data = batch(seed=5)
    rows = torch.cat((data["x_lb"], data["x_ulb_w"], data["x_ulb_s"]))
    scores = reference(rows)["logits"][6:18].softmax(1).amax(1)
    expected = 1.5 * 0.4 / float(scores[scores > 0.6].mean().detach())
    assert float(algorithm.log_dict["train/phi_limit"]) == pytest.approx(expected)
    with caplog.at_level(logging.WARNING):
        hook.after_run(algorithm)
        assert caplog.text == ""
        run_once(2 * expected)[0].after_run(algorithm)
        assert "lambda_phi" in caplog.text and f"{expected:.4g}" in caplog.text
    fresh = SmoothWeightHook(1.0, 0.1)
    fresh.load_state_dict(hook.state_dict())
    assert torch.equal(fresh.limit, hook.limit)


def test_without_a_selected_example_the_limit_is_finite() -> None:
    hook, _ = run_once(0.1, cutoff=0.999999)
    assert float(hook.limit) == pytest.approx(1.5 * 1e-6, rel=1e-4)
    assert run_once(0.0)[0].state_dict() == {"limit": None}
