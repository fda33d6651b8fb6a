"""Test number one: without extensions each base equals USB's algorithm of that name.

Loss, every gradient and the hooks' state, on the same batches, over several optimizer steps, in float64.
"""

import inspect
from typing import Any

import pytest
import torch
from support.usb import batch, build, our_class, usb_class

from usb_ext.methods.step.registry import RULES
from usb_ext.settings.algorithms import BASES

USB_BASES = [name for name, base in BASES.items() if base.in_usb]

STEPS = 6
VARIANTS = [
    *[(name, {}) for name in USB_BASES],
    ("fixmatch", {"use_cat": False}),
    ("fixmatch", {"hard_label": False, "p_cutoff": 0.4}),
    ("flexmatch", {"use_cat": False, "p_cutoff": 0.5}),
    ("flexmatch", {"thresh_warmup": False, "p_cutoff": 0.4}),
    ("freematch", {"ent_loss_ratio": 0.5, "use_quantile": True}),
    ("freematch", {"ent_loss_ratio": 0.3, "clip_thresh": True, "ema_p": 0.5, "use_cat": False}),
    ("freematch", {"hard_label": False}),
    ("softmatch", {"dist_uniform": False, "ema_p": 0.7}),
    ("softmatch", {"hard_label": False, "n_sigma": 3, "use_cat": False}),
    ("adamatch", {"p_cutoff": 0.6, "ema_p": 0.8}),
    ("uda", {"tsa_schedule": "linear", "p_cutoff": 0.3}),
    ("uda", {"tsa_schedule": "exp", "use_cat": False}),
    ("uda", {"tsa_schedule": "log"}),
    ("dash", {"rho_min": 1.2}),
    ("dash", {"gamma": 3.0, "use_cat": False}),
]


def _step(algorithm: Any, data: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
    wanted = inspect.signature(algorithm.train_step).parameters
    out, log = algorithm.train_step(**{k: v for k, v in data.items() if k in wanted})
    algorithm.optimizer.zero_grad()
    out["loss"].backward()
    return out["loss"].detach(), {k: float(v) for k, v in log.items()}


def _hook_tensors(algorithm: Any) -> dict[str, torch.Tensor]:
    found = {}
    for name in ("MaskingHook", "DistAlignHook"):
        hook = algorithm.hooks_dict.get(name)
        for attribute, value in vars(hook).items() if hook else ():
            if isinstance(value, torch.Tensor):
                found[f"{name}.{attribute}"] = value
            elif isinstance(value, float):
                found[f"{name}.{attribute}"] = torch.tensor(value)
    return found


@pytest.mark.parametrize(("name", "changed"), VARIANTS, ids=str)
def test_equals_usb(name: str, changed: dict[str, Any]) -> None:
    theirs = build(usb_class(name), **changed)
    ours = build(our_class(name), **changed)
    for algorithm in (theirs, ours):
        algorithm.rho_init = 1.5  # Dash's warm-up is outside its step
    used = 0.0
    for step in range(STEPS):
        data = batch(seed=step)
        for algorithm in (theirs, ours):
            algorithm.it = step
        loss_usb, log_usb = _step(theirs, data)
        loss_ours, log_ours = _step(ours, data)
        torch.testing.assert_close(loss_ours, loss_usb, rtol=1e-10, atol=1e-12)
        for key, value in log_usb.items():
            assert log_ours[key] == pytest.approx(value, rel=1e-6, abs=1e-7), key
        pairs = zip(theirs.model.named_parameters(), ours.model.named_parameters(), strict=True)
        for (key, p_usb), (_, p_ours) in pairs:
            torch.testing.assert_close(p_ours.grad, p_usb.grad, rtol=1e-8, atol=1e-11, msg=key)
        for (key, b_usb), (_, b_ours) in zip(
            theirs.model.named_buffers(), ours.model.named_buffers(), strict=True
        ):
            torch.testing.assert_close(b_ours, b_usb, msg=key)
        state_usb, state_ours = _hook_tensors(theirs), _hook_tensors(ours)
        assert state_usb.keys() <= state_ours.keys()
        for key, value in state_usb.items():
            torch.testing.assert_close(state_ours[key], value, msg=key)
        used += log_usb["train/util_ratio"]
        theirs.optimizer.step()
        ours.optimizer.step()
    assert used > 0, "the case selects nothing, so it compares too little"


def test_layermatch_without_its_parts_is_freematch_without_fairness() -> None:
    from usb_ext.methods.named import NAMED

    plain = build(usb_class("freematch"), ent_loss_ratio=0.0)
    ours = build(NAMED["layermatch"], grad_relu=False, avg_clustering=False)
    assert ours.extensions == ()
    data = batch(seed=3)
    loss_usb, _ = _step(plain, data)
    loss_ours, _ = _step(ours, data)
    torch.testing.assert_close(loss_ours, loss_usb, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", USB_BASES)
@pytest.mark.parametrize("use_cat", [True, False])
def test_grad_relu_on_every_base_leaves_the_supervised_gradient_in_the_head(
    name: str, use_cat: bool
) -> None:
    """Against two runs of USB's class: with its unlabelled loss, and with the supervised loss alone."""
    whole = build(usb_class(name), use_cat=use_cat, p_cutoff=0.3)
    ours = build(our_class(name), use_cat=use_cat, p_cutoff=0.3, extensions=["grad_relu"])
    for algorithm in (whole, ours):
        algorithm.rho_init = 5.0
        algorithm.it = 10 if RULES[name].one_view else 0  # past the start of its warm-up
    data = batch(seed=11)
    _step(whole, data)
    _, log = _step(ours, data)
    assert log["train/util_ratio"] > 0
    together = use_cat and not RULES[name].one_view
    rows = torch.cat((data["x_lb"], data["x_ulb_w"], data["x_ulb_s"])) if together else data["x_lb"]
    reference = build(our_class(name), use_cat=use_cat).model
    logits = reference(rows)["logits"][: len(data["y_lb"])]
    torch.nn.functional.cross_entropy(logits, data["y_lb"]).backward()
    for key, parameter in ours.model.named_parameters():
        if key.startswith("classifier"):
            expected = reference.get_parameter(key).grad
        else:
            expected = whole.model.get_parameter(key).grad
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-8, atol=1e-11, msg=key)
    head = dict(whole.model.named_parameters())["classifier.weight"].grad
    assert not torch.allclose(head, ours.model.get_parameter("classifier.weight").grad)
