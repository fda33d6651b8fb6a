"""A pre-training that is stopped goes on bit by bit; one that diverges ends."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support.run import assert_same_state
from support.ssl import epochs_of, pretrained

from usb_ext.core.errors import RunFailed
from usb_ext.data.features import read_features


@pytest.mark.parametrize("method", ["simsiam", "byol"])
def test_a_stopped_one_goes_on_bit_by_bit(tmp_path: Path, made: Path, method: str) -> None:
    whole = made
    if method != "simsiam":
        whole = tmp_path / "whole"
        pretrained(whole, ssl_method=method)
    cut = tmp_path / "cut"
    assert pretrained(cut, stop_after=4, ssl_method=method) is None
    assert not (cut / "ssl" / "backbone.pth").exists()
    assert pretrained(cut, stop_after=6, ssl_method=method, resume=True) is None
    pretrained(cut, ssl_method=method, resume=True)
    states = [torch.load(f / "ssl" / "latest_model.pth", weights_only=True) for f in (whole, cut)]
    for part in ("method", "optimizer", "step", "loss_sum"):
        assert_same_state(states[0][part], states[1][part])
    assert_same_state(states[0]["usb_ext"]["random"], states[1]["usb_ext"]["random"])
    assert epochs_of(whole) == epochs_of(cut)
    features = [read_features(f / "ssl" / "features.npz").values for f in (whole, cut)]
    np.testing.assert_array_equal(*features)


def test_a_loss_that_is_not_finite_ends_it(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="lower ssl_lr"):
        pretrained(tmp_path, ssl_lr=1e30)
    assert not (tmp_path / "ssl" / "backbone.pth").exists()
