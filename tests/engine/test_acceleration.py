"""Faster ways of running the network change its numbers by rounding only."""

import logging
from pathlib import Path

import pytest
import torch
from support.run import checkpoint_of, run

from usb_ext.engine import acceleration
from usb_ext.engine.acceleration import compile_network, likes_channels_last
from usb_ext.upstream.nets import net_builder, wrn_10_1


def test_convolutional_networks_like_channels_last() -> None:
    assert likes_channels_last(wrn_10_1(num_classes=10))
    assert not likes_channels_last(net_builder("vit_tiny_patch2_32")(num_classes=10))


def test_memory_layout_and_fused_optimizer_keep_the_first_losses(tmp_path: Path) -> None:
    from support.run import metrics_of

    run(tmp_path / "plain", channels_last=False, fused_optimizer=False)
    run(tmp_path / "fast", channels_last=True, fused_optimizer=True)
    pairs = zip(metrics_of(tmp_path / "plain")[:3], metrics_of(tmp_path / "fast")[:3], strict=True)
    for plain, fast in pairs:
        for key in ("train/sup_loss", "train/total_loss"):
            assert fast[key] == pytest.approx(plain[key], rel=1e-3), key


def test_compile_without_a_compiler_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(acceleration, "_why_not", lambda device: "no C++ compiler was found")
    net = wrn_10_1(num_classes=10)
    with caplog.at_level(logging.WARNING):
        assert not compile_network(net, "default", torch.device("cpu"))
    assert "no C++ compiler" in caplog.text and "uncompiled" in caplog.text


@pytest.mark.slow
def test_compiled_run_equals_the_plain_one_up_to_rounding(tmp_path: Path) -> None:
    from support.run import metrics_of

    run(tmp_path / "plain", num_train_iter=2, epoch=1)
    run(tmp_path / "compiled", num_train_iter=2, epoch=1, compile="default")
    assert "uncompiled" not in (tmp_path / "compiled" / "run" / "log.txt").read_text()
    names = [checkpoint_of(tmp_path / n)["model"].keys() for n in ("plain", "compiled")]
    assert names[0] == names[1]
    first = [metrics_of(tmp_path / n)[0]["train/sup_loss"] for n in ("plain", "compiled")]
    assert first[1] == pytest.approx(first[0], rel=1e-4)
