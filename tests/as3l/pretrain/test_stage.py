"""The pretrain stage: what it leaves, how it goes on, what it refuses."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support.ssl import features_of, pretrained

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.arrays import load_digits_arrays
from usb_ext.data.features import read_features
from usb_ext.upstream.nets import wrn_10_1
from usb_ext.upstream.weights import load_pretrained


def test_it_leaves_a_backbone_that_loads_strictly_and_its_features(made: Path) -> None:
    net = load_pretrained(wrn_10_1(10), str(made / "ssl" / "backbone.pth"))
    stored = torch.load(made / "ssl" / "backbone.pth", weights_only=True)["model"]
    for name, value in net.state_dict().items():
        if not name.startswith("classifier"):
            assert torch.equal(value, stored[name]), name
    arrays, features = load_digits_arrays(8), read_features(made / "ssl" / "features.npz")
    assert features.values.dtype == np.float32 and features.dataset == "digits"
    assert features.ids.tolist() == list(range(1297)) and features.class_names == arrays.classes
    np.testing.assert_array_equal(features.targets, arrays.train_targets)
    wanted = features_of(arrays.train_images, net)
    np.testing.assert_allclose(features.values, wanted, rtol=1e-3, atol=1e-3)


def test_features_of_ones_own_skip_it(tmp_path: Path, made: Path) -> None:
    told = pretrained(tmp_path, features=str(made / "ssl" / "features.npz"))
    assert told is not None and "1297 features are given" in told
    assert not (tmp_path / "ssl").exists()
    with pytest.raises(DataMissing, match="does not exist"):
        pretrained(tmp_path, features=str(tmp_path / "none.npz"))


def test_no_epochs_take_the_network_as_it_is(tmp_path: Path, made: Path) -> None:
    weights = made / "ssl" / "backbone.pth"
    pretrained(tmp_path, ssl_epochs=0, use_pretrain=True, pretrain_path=str(weights))
    kept = [read_features(f / "ssl" / "features.npz").values for f in (made, tmp_path)]
    np.testing.assert_array_equal(*kept)


def test_a_batch_larger_than_the_set_and_half_precision_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="ssl_batch_size is 1298.*at most 1297"):
        pretrained(tmp_path, ssl_batch_size=1298)
    with pytest.raises(SettingsError, match="use bf16"):
        pretrained(tmp_path, amp="fp16")
    assert not (tmp_path / "ssl").exists()
