"""Fresh batch-norm statistics: right, the same for a resumed run, saved, and of no effect on training."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.run import SIX, UNBALANCED, assert_same_state, checkpoint_of, metrics_of, run
from torch import nn

from usb_ext import load_run
from usb_ext.engine.statistics import batch_norms, compute_statistics, in_force
from usb_ext.upstream.nets import net_builder

CPU = torch.device("cpu")
FRESH: dict[str, Any] = {"bn_statistics": "fresh", "bn_images": 32}


class Small(nn.Module):
    """Two layers with batch norm and dropout between them; the second depends on the first's."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(3, 4), nn.BatchNorm1d(4, momentum=0.001)
        self.drop, self.last = nn.Dropout(0.5), nn.BatchNorm1d(4, momentum=0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.last(torch.tanh(self.drop(self.norm(self.first(x)))))
        return found


def test_they_are_the_mean_over_batches_of_means_and_unbiased_variances() -> None:
    """By hand in float64: the second layer sees what the first gives when it divides by its batch."""
    torch.manual_seed(0)
    net = Small().double()
    batches = torch.randn(3, 8, 3, dtype=torch.float64)
    means: list[list[np.ndarray]] = [[], []]
    spreads: list[list[np.ndarray]] = [[], []]
    weight, bias = (p.detach().numpy() for p in net.first.parameters())
    for batch in batches.numpy():
        x = batch @ weight.T + bias
        for layer in (0, 1):
            means[layer].append(x.mean(axis=0))
            spreads[layer].append(x.var(axis=0, ddof=1))
            x = np.tanh((x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5))
    generator = torch.get_rng_state()
    before = compute_statistics(net, [{"x_lb": batch} for batch in batches], CPU)
    assert torch.equal(torch.get_rng_state(), generator), "dropout has drawn"
    for layer, norm in enumerate((net.norm, net.last)):
        np.testing.assert_allclose(norm.running_mean, np.mean(means[layer], axis=0), atol=1e-12)
        np.testing.assert_allclose(norm.running_var, np.mean(spreads[layer], axis=0), atol=1e-12)
    assert (net.norm.momentum, net.last.momentum) == (0.001, 0.3) and not net.norm.training
    assert {n.split(".")[0] for n in before} == {"norm", "last"}
    assert torch.equal(before["norm.running_var"], torch.ones(4, dtype=torch.float64))


def test_a_batch_that_fails_leaves_the_momentum() -> None:
    net = Small()
    with pytest.raises(RuntimeError):
        compute_statistics(net, [{"x_lb": torch.zeros(4, 99)}], CPU)
    assert net.norm.momentum == 0.001 and not net.last.training


def test_a_network_without_batch_norm_has_none_of_either() -> None:
    vit = net_builder("vit_tiny_patch2_32")(num_classes=2)
    assert batch_norms(vit) == [] and in_force(vit, "fresh") == "none"
    assert in_force(Small(), "fresh") == "fresh" and in_force(Small(), "running") == "running"
    unkept = nn.Sequential(nn.BatchNorm1d(2, track_running_stats=False))
    assert in_force(unkept, "fresh") == "none"


def training_of(folder: Path, name: str = "latest_model.pth") -> dict[str, Any]:
    """What a run trained on: everything of its checkpoint but the settings and what it is judged by."""
    state = checkpoint_of(folder, name)
    return {key: state[key] for key in ("model", "optimizer", "scheduler", "it")}


@pytest.mark.parametrize(
    "changed",
    [
        {"algorithm": "layermatch"},
        {"algorithm": "fixmatch_eman"},
        {"algorithm": "meanteacher", **SIX},
        {"algorithm": "fixmatch", "imb_algorithm": "cossl", "cossl_tfe_warm_bs": 8, **SIX, **UNBALANCED},
    ],
    ids=lambda c: c.get("imb_algorithm", c["algorithm"]),
)  # fmt: skip
def test_training_is_the_same_to_the_bit_and_what_is_judged_is_not(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    running = run(tmp_path / "running", **changed)
    fresh = run(tmp_path / "fresh", **changed, **FRESH)
    assert running is not None and fresh is not None
    assert_same_state(training_of(tmp_path / "running"), training_of(tmp_path / "fresh"))
    assert (running.bn_statistics, fresh.bn_statistics) == ("running", "fresh")
    averages = [checkpoint_of(tmp_path / n)["ema_model"] for n in ("running", "fresh")]
    differ = {n for n, v in averages[0].items() if not torch.equal(v, averages[1][n])}
    assert differ and all("running_" in n or "num_batches" in n for n in differ)


def test_a_resumed_run_is_judged_as_one_that_was_not_stopped(tmp_path: Path) -> None:
    """A checkpoint where nothing is evaluated has statistics of its own weights, too."""
    given = {"algorithm": "layermatch", "num_eval_iter": 4, **FRESH}
    run(tmp_path / "whole", **given)
    for stop in (3, 5):
        run(tmp_path / "cut", stop_after=stop, resume=stop > 3, **given)
    state = checkpoint_of(tmp_path / "cut")
    assert state["it"] == 5
    run(tmp_path / "cut", resume=True, **given)
    assert_same_state(checkpoint_of(tmp_path / "whole"), checkpoint_of(tmp_path / "cut"))
    assert metrics_of(tmp_path / "whole") == metrics_of(tmp_path / "cut")


def test_what_is_opened_again_gives_the_accuracy_that_was_recorded(tmp_path: Path) -> None:
    """The opened network on the digits' test images, batch by batch as they are stored."""
    from usb_ext.data.sets import load_digits_arrays

    result = run(tmp_path, algorithm="fixmatch", **FRESH)
    assert result is not None
    opened = load_run(tmp_path / "run", device="cpu")
    side = opened.settings.img_size
    arrays = load_digits_arrays(side)
    images = torch.stack([opened.transform(image) for image in arrays.test_images])
    with torch.inference_mode():
        predicted = opened.network(images)["logits"].argmax(dim=-1).numpy()
    assert np.mean(predicted == arrays.test_targets) == pytest.approx(result.top1_last, abs=1e-9)
    state = checkpoint_of(tmp_path)
    name = next(n for n in state["model"] if n.endswith("running_var"))
    assert torch.equal(opened.network.state_dict()[name], state["ema_model"][name])
    assert not torch.equal(state["model"][name], state["ema_model"][name])


def test_batches_are_whole_and_the_images_are_the_same_for_every_seed() -> None:
    from usb_ext.engine.statistics import _positions

    def positions(total: int, images: int) -> np.ndarray:
        sets = {"train_lb": range(3), "train_ulb": range(total)}
        args = SimpleNamespace(bn_images=images)
        algorithm: Any = SimpleNamespace(args=args, dataset_dict=sets)
        return _positions(algorithm)

    assert len(positions(2000, 1024)) == 1024 and len(positions(700, 1024)) == 512
    assert positions(30, 1024).tolist() == list(range(30))
    assert np.array_equal(positions(2000, 1024), positions(2000, 1024))
    assert len(set(positions(2000, 1024).tolist())) == 1024
