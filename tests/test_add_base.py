"""`usb_ext.add_base`: a rule of the user's carries extensions as the bases do."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.run import metrics_of, run
from support.usb import batch, build

import usb_ext
from usb_ext.methods.named import on_base
from usb_ext.methods.step.base import BaseRule, Weak
from usb_ext.settings import load_settings


class Odd(BaseRule):
    """Selects the examples with an odd pseudo-class."""

    name = "odd"

    def weights(self, algorithm: Any, weak: Weak) -> torch.Tensor:
        return (weak.probs.argmax(dim=-1) % 2).to(weak.probs.dtype)


def test_its_weights_are_in_the_loss(registries: None) -> None:
    usb_ext.add_base(Odd())
    made = build(on_base("odd"))
    data = batch(seed=4)
    with torch.no_grad():
        logits = made.model(torch.cat([data[k] for k in ("x_lb", "x_ulb_w", "x_ulb_s")]))["logits"]
    _, log = made.train_step(**data)
    weak, strong = logits[6:18], logits[18:]
    expected = 0.0
    for w, s in zip(weak, strong, strict=True):
        label = int(w.argmax())
        expected += float((label % 2) * (torch.logsumexp(s, 0) - s[label])) / 12
    assert expected > 0
    assert float(log["train/unsup_loss"]) == pytest.approx(expected, rel=1e-9)


def test_it_carries_extensions_through_a_whole_run(
    tmp_path: Path,
    registries: None,
) -> None:
    usb_ext.add_base(Odd())
    result = run(tmp_path, algorithm="odd", extensions=["grad_relu", "avg_clustering"])
    assert result is not None and (result.base, result.status) == ("odd", "completed")
    assert all("train/ac_loss" in row for row in metrics_of(tmp_path))


def test_a_name_is_taken_once(registries: None) -> None:
    for name in ("fixmatch", "comatch", "layermatch", ""):
        rule = BaseRule()
        rule.name = name
        with pytest.raises(ValueError, match=f"base name {name!r} is empty or taken"):
            usb_ext.add_base(rule)


def test_before_it_is_added_its_extensions_are_refused() -> None:
    with pytest.raises(usb_ext.core.errors.SettingsError, match="algorithm odd cannot carry any"):
        load_settings({"algorithm": "odd", "extensions": ["grad_relu"]}, {})
