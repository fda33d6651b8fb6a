"""Smooth FixMatch and Smooth Pseudo-Label: names in USB, degenerate settings, whole runs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.run import assert_same_state, checkpoint_of, metrics_of, run
from support.usb import batch, build, our_class, usb_class

from usb_ext.methods.named import NAMED
from usb_ext.upstream.nets import wrn_10_1

ONE_VIEW = ("x_lb", "y_lb", "x_ulb_w")


def test_both_are_registered_in_usb() -> None:
    for name in ("smoothfixmatch", "smoothpseudolabel"):
        assert usb_class(name) is NAMED[name]


def gradients(algorithm: Any) -> dict[str, torch.Tensor]:
    """Gradient by parameter name; 0 where the loss does not reach."""
    return {
        key: torch.zeros_like(p) if p.grad is None else p.grad
        for key, p in algorithm.model.named_parameters()
    }


class Images:
    """WRN-10-1, whose batch norm is 2-d, so that its running statistics are frozen as USB does."""

    @staticmethod
    def build(algorithm: type, **changed: Any) -> Any:
        made = build(algorithm, **changed)
        torch.manual_seed(3)
        made.model = wrn_10_1(num_classes=5).double().train()
        with torch.no_grad():
            made.model.classifier.weight.mul_(30)
        made.optimizer = torch.optim.SGD(made.model.parameters(), lr=0.05)
        return made

    @staticmethod
    def batch(seed: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(12, 3, 8, 8, generator=generator, dtype=torch.float64)
        y = torch.randint(5, (4,), generator=generator)
        return {"x_lb": x[:4], "y_lb": y, "x_ulb_w": x[4:]}


@pytest.mark.parametrize("made", [build, Images.build], ids=["vectors", "images"])
def test_smooth_pseudo_label_without_the_weight_is_usbs_pseudo_label(made: Any) -> None:
    """Losses, gradients, running statistics and log over several steps, the first with weight 0."""
    theirs = made(usb_class("pseudolabel"), p_cutoff=0.5)
    ours = made(NAMED["smoothpseudolabel"], p_cutoff=0.5, smooth_weight=False)
    assert ours.extensions == ()
    used = 0.0
    for step in (0, 1, 2, 7, 8, 19):
        data = batch(seed=step) if made is build else Images.batch(step)
        data = {k: v for k, v in data.items() if k in ONE_VIEW}
        logs = []
        for algorithm in (theirs, ours):
            algorithm.it = step
            algorithm.optimizer.zero_grad()
            out, log = algorithm.train_step(**data)
            out["loss"].backward()
            logs.append({k: float(v) for k, v in log.items()})
        assert 0 <= logs[1].pop("train/labelled_acc") <= 1  # ours alone, as the next
        assert logs[1].pop("rows/step") == len(data["x_lb"]) + len(data["x_ulb_w"])
        assert logs[0] == pytest.approx(logs[1], rel=1e-6, abs=1e-7)
        used += logs[0]["train/util_ratio"]
        expected = gradients(theirs)
        for key, gradient in gradients(ours).items():
            torch.testing.assert_close(gradient, expected[key], rtol=1e-8, atol=1e-11, msg=key)
        for algorithm in (theirs, ours):
            algorithm.optimizer.step()
        for (key, a), (_, b) in zip(
            theirs.model.named_buffers(), ours.model.named_buffers(), strict=True
        ):
            torch.testing.assert_close(a, b, msg=key)
    assert used > 0


def test_smooth_pseudo_label_against_a_loop() -> None:
    """Eq. 14: label, factor and loss from the same view; here at full weight."""
    tau = 0.6
    algorithm = Images.build(NAMED["smoothpseudolabel"], p_cutoff=tau)
    data = Images.batch(4)
    algorithm.it = 20
    out, log = algorithm.train_step(**data)
    out["loss"].backward()
    reference = Images.build(our_class("fixmatch")).model
    lb, w = reference(data["x_lb"])["logits"], reference(data["x_ulb_w"])["logits"]
    total = sum(-row.log_softmax(0)[y] for row, y in zip(lb, data["y_lb"], strict=True)) / len(lb)
    for row in w:
        score, label = row.detach().softmax(0).max(dim=0)
        factor = max(0.0, (score.item() - tau) / (1 - tau))
        total = total - 1.5 * factor * row.log_softmax(0)[label] / len(w)
    assert 0 < float(log["train/util_ratio"]) < 1
    torch.testing.assert_close(out["loss"], total)
    total.backward()  # type: ignore[union-attr]
    for (key, ours), (_, theirs) in zip(
        algorithm.model.named_parameters(), reference.named_parameters(), strict=True
    ):
        if theirs.grad is not None:
            torch.testing.assert_close(ours.grad, theirs.grad, msg=key)


def test_smooth_fixmatch_without_the_weight_is_fixmatch() -> None:
    theirs, data = build(usb_class("fixmatch"), p_cutoff=0.5), batch(seed=2)
    ours = build(NAMED["smoothfixmatch"], p_cutoff=0.5, smooth_weight=False)
    usual = {k: v for k, v in data.items() if k != "idx_ulb"}
    (a, _), (b, _) = theirs.train_step(**usual), ours.train_step(**data)
    torch.testing.assert_close(a["loss"], b["loss"], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("algorithm", "augment", "changed"),
    [
        (
            "smoothfixmatch",
            "batched",
            {"p_cutoff": 0.2, "smooth_exponent": "sqrt", "lambda_phi": 0.5},
        ),
        ("smoothfixmatch", "usb", {"base": "flexmatch", "p_cutoff": 0.2}),
        (
            "smoothpseudolabel",
            "batched",
            {"p_cutoff": 0.2, "extensions": ["grad_relu", "avg_clustering"]},
        ),
    ],
    ids=str,
)
def test_a_resumed_run_is_bit_identical(
    tmp_path: Path, algorithm: str, augment: str, changed: dict[str, Any]
) -> None:
    given = {"algorithm": algorithm, "augment": augment, **changed}
    whole = run(tmp_path / "whole", **given)
    assert run(tmp_path / "cut", stop_after=3, **given) is None
    run(tmp_path / "cut", resume=True, **given)
    assert_same_state(checkpoint_of(tmp_path / "whole"), checkpoint_of(tmp_path / "cut"))
    rows = metrics_of(tmp_path / "whole")
    assert rows == metrics_of(tmp_path / "cut")
    assert whole is not None and "smooth_weight" in whole.extensions
    assert any(0 < row["train/util_ratio"] < 1 for row in rows)
    assert all(("train/phi_limit" in row) == ("lambda_phi" in changed) for row in rows)


def test_smooth_pseudo_label_is_served_one_view(tmp_path: Path) -> None:
    from support.built import built

    for augment in ("usb", "batched"):
        algorithm = built(tmp_path / augment, algorithm="smoothpseudolabel", augment=augment)
        entries = set(next(algorithm.batches()))
        assert "x_ulb_w" in entries and "x_ulb_s" not in entries
