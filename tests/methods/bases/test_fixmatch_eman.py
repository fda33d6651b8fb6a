"""FixMatch-EMAN's step against one written out by hand, and the settings that lead to it."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support.run import run
from support.usb import TinyNet, batch, build, our_class

from usb_ext.core.errors import SettingsError
from usb_ext.methods.bases.fixmatch_eman import TEACHER, FixMatchEMANRule
from usb_ext.methods.step.registry import RULES
from usb_ext.settings import load_settings
from usb_ext.training.compose import algorithm_classes, resolved

CUTOFF, LAMBDA, MOMENTUM, LR = 0.5, 10.0, 0.8, 0.05


def ours(**changed: Any) -> Any:
    made = build(
        our_class("fixmatch_eman"),
        p_cutoff=CUTOFF,
        ulb_loss_ratio=LAMBDA,
        eman_m=MOMENTUM,
        **changed,
    )
    made.optimizer = torch.optim.SGD(made.model.parameters(), lr=LR)
    return made


def copied(network: torch.nn.Module) -> Any:
    made = TinyNet().double().train()
    made.load_state_dict(network.state_dict())
    return made


def by_hand(student: Any, teacher: Any, data: dict[str, torch.Tensor], cat: bool) -> torch.Tensor:
    """One step of the method on plain networks: loss, update, teacher's recurrence."""
    teacher.eval()
    with torch.no_grad():
        confidence, labels = teacher(data["x_ulb_w"])["logits"].softmax(1).max(1)
    n = len(data["y_lb"])
    if cat:
        logits = student(torch.cat((data["x_lb"], data["x_ulb_s"])))["logits"]
        lb, s = logits[:n], logits[n:]
    else:
        lb, s = student(data["x_lb"])["logits"], student(data["x_ulb_s"])["logits"]
    losses = F.cross_entropy(s, labels, reduction="none")
    loss = F.cross_entropy(lb, data["y_lb"]) + LAMBDA * (losses * (confidence >= CUTOFF)).mean()
    gradients = torch.autograd.grad(loss, list(student.parameters()))
    with torch.no_grad():
        for parameter, gradient in zip(student.parameters(), gradients, strict=True):
            parameter.sub_(LR * gradient)
        state = student.state_dict()
        for name, value in teacher.state_dict().items():
            if value.is_floating_point():
                value.copy_(MOMENTUM * value + (1 - MOMENTUM) * state[name])
    return loss.detach()


@pytest.mark.parametrize("cat", [True, False])
def test_several_steps_equal_those_written_out(cat: bool) -> None:
    algorithm = ours(use_cat=cat)
    student, teacher = copied(algorithm.model), copied(algorithm.model)
    used = 0.0
    for step in range(5):
        data = batch(seed=step)
        out, log = algorithm.train_step(**data)
        algorithm.optimizer.zero_grad()
        out["loss"].backward()
        algorithm.optimizer.step()
        algorithm.hooks_dict[TEACHER].after_train_step(algorithm)
        wanted = by_hand(student, teacher, data, cat)
        torch.testing.assert_close(out["loss"].detach(), wanted, rtol=1e-10, atol=1e-12)
        used += float(log["train/util_ratio"])
    assert 0 < used < 5, "the case selects everything or nothing, so it compares too little"
    for network, reference in (
        (algorithm.model, student),
        (algorithm.hooks_dict[TEACHER].network, teacher),
    ):
        for name, value in reference.state_dict().items():
            if value.is_floating_point():
                torch.testing.assert_close(network.state_dict()[name], value, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("cat", [True, False])
def test_grad_relu_keeps_the_head_to_the_labelled_examples(cat: bool) -> None:
    algorithm = ours(use_cat=cat, extensions=["grad_relu"])
    data, n = batch(seed=3), 6
    reference = copied(algorithm.model)
    out, _ = algorithm.train_step(**data)
    out["loss"].backward()
    rows = torch.cat((data["x_lb"], data["x_ulb_s"])) if cat else data["x_lb"]
    F.cross_entropy(reference(rows)["logits"][:n], data["y_lb"]).backward()
    for name in ("classifier.weight", "classifier.bias"):
        wanted = reference.get_parameter(name).grad
        torch.testing.assert_close(
            algorithm.model.get_parameter(name).grad, wanted, rtol=1e-9, atol=1e-12
        )


def test_its_defaults_are_those_of_emans_code() -> None:
    given = {"algorithm": "fixmatch_eman", "num_labels": 10}
    settings = load_settings(given).settings
    done = resolved(settings, algorithm_classes(settings))
    assert (done.p_cutoff, done.ulb_loss_ratio, done.eman_m) == (0.7, 10.0, 0.999)
    assert isinstance(RULES[str(settings.active_base)], FixMatchEMANRule)


def test_a_value_that_is_given_wins_over_the_bases_default() -> None:
    for source, flags in (({"ulb_loss_ratio": 1.0}, {}), ({}, {"ulb_loss_ratio": 1.0})):
        found = load_settings({"algorithm": "fixmatch_eman", **source}, flags).settings
        assert found.ulb_loss_ratio == 1.0
    assert load_settings({"algorithm": "fixmatch"}).settings.ulb_loss_ratio == 1.0


def test_as_the_base_of_another_algorithm_it_brings_its_defaults_too() -> None:
    given = {"algorithm": "weak_strong", "base": "fixmatch_eman"}
    settings = load_settings(given).settings
    done = resolved(settings, algorithm_classes(settings))
    assert (done.p_cutoff, done.ulb_loss_ratio, done.eman_m) == (0.7, 10.0, 0.999)


def test_usb_has_no_class_of_it() -> None:
    with pytest.raises(SettingsError, match="fixmatch_eman is ours"):
        load_settings({"algorithm": "fixmatch_eman", "step": "usb"})


@pytest.mark.parametrize("base", ["freematch", "fixmatch_eman"])
def test_a_chosen_base_runs_with_its_own_options(tmp_path: Path, base: str) -> None:
    result = run(tmp_path, algorithm="weak_strong", base=base, num_train_iter=2, num_eval_iter=2)
    assert result is not None and result.base == base and result.iterations == 2
