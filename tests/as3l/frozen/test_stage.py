"""Kept features: those of the network on the views, the same after a stop, and refused for other data."""

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from usb_ext.as3l.frozen import stage
from usb_ext.as3l.frozen.made import FeaturesOrder
from usb_ext.as3l.frozen.stage import Frozen, build_frozen, make_features
from usb_ext.as3l.frozen.views import recipe_for, view_of
from usb_ext.core.errors import Interrupted, SettingsError
from usb_ext.data.arrays import ImageArrays
from usb_ext.data.features import read_features
from usb_ext.data.sets import ADDED, OWN, add_dataset
from usb_ext.data.training_set import load_training_set
from usb_ext.engine.parts import Stop
from usb_ext.settings import Settings

NAME = "kept_pictures"


def pictures(settings: Settings) -> ImageArrays:
    rng = np.random.default_rng(settings.toy_seed)
    train, test = (rng.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8) for n in (150, 70))
    classes = [np.arange(n, dtype=np.int64) % 3 for n in (150, 70)]
    look = ((0.5,) * 3, (0.25,) * 3)
    return ImageArrays(train, classes[0], test, classes[1], ("a", "b", "c"), *look, hflip=True)


@pytest.fixture(autouse=True)
def _added() -> Any:
    add_dataset(NAME, pictures)
    yield
    del ADDED[NAME]
    OWN.remove(NAME)


def settings(tmp_path: Path, **changed: Any) -> Settings:
    given = {"dataset": NAME, "net": "wrn_10_1", "img_size": 8, "num_classes": 3, "device": "cpu"}
    given |= {"num_labels": 6, "save_dir": str(tmp_path), "progress": "off"}
    return Settings(**{**given, **changed})


def order(tmp_path: Path, out: str = "f") -> FeaturesOrder:
    return FeaturesOrder(weak=1, strong=1, out=tmp_path / out)


def test_they_are_what_the_network_says_of_each_view(tmp_path: Path) -> None:
    given = settings(tmp_path)
    make_features(given, order(tmp_path))
    rows = np.load(tmp_path / "f" / "views.npy")
    data = load_training_set(given)
    net = build_frozen(given, data, order(tmp_path), torch.device("cpu")).net.double()
    recipe = recipe_for(given, data, 1, 1)
    pixels = torch.from_numpy(np.asarray(data.images)).permute(0, 3, 1, 2)
    with torch.no_grad():
        for view in range(3):
            made = view_of(pixels, torch.arange(150), view, recipe).double()
            wanted = net(made)["feat"].numpy()
            assert np.allclose(
                rows[:450].reshape(150, 3, -1)[:, view], wanted, rtol=2e-3, atol=2e-3
            )
        tests = torch.from_numpy(np.asarray(data.test_images)).permute(0, 3, 1, 2)
        plain = net((tests.double() / 255 - 0.5) / 0.25)["feat"].numpy()
    assert rows.dtype == np.float16 and rows.shape == (150 * 3 + 70, 64)
    assert np.allclose(rows[450:], plain, rtol=2e-3, atol=2e-3)
    features = read_features(tmp_path / "f" / "features.npz")
    assert np.array_equal(features.values, rows[:450:3].astype(np.float32))
    assert features.class_names == ("a", "b", "c") and features.dataset == NAME
    assert np.array_equal(np.load(tmp_path / "f" / "test_targets.npy"), np.arange(70) % 3)


def test_bf16_computes_in_eight_bits_and_is_near_float32(tmp_path: Path) -> None:
    made = {}
    for amp in ("off", "bf16"):
        make_features(settings(tmp_path, amp=amp), order(tmp_path, amp))
        made[amp] = np.load(tmp_path / amp / "views.npy").astype(np.float32)
    bits = made["bf16"].view(np.uint32)
    assert not (bits & 0xFFFF).any() and (made["off"].view(np.uint32) & 0xFFFF).any()
    assert np.allclose(made["bf16"], made["off"], rtol=0.05, atol=0.05)


def test_a_precision_that_the_device_does_not_have_is_refused_before_work(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="amp is 'fp16', which needs a CUDA device"):
        make_features(settings(tmp_path, amp="fp16"), order(tmp_path))
    assert not (tmp_path / "f").exists()


def test_a_stopped_one_goes_on_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_features(settings(tmp_path), order(tmp_path, "whole"))
    stop, kept, computed = Stop(), Frozen.features, []

    def features(self: Frozen, train: bool, images: range) -> np.ndarray:
        computed.append((train, images.start))
        if len(computed) == 3:  # the first is the trial
            stop.requested = int(signal.SIGTERM)
        return kept(self, train, images)

    monkeypatch.setattr(stage.Frozen, "features", features)
    with pytest.raises(Interrupted, match="stopped after 384 of 520 rows"):
        make_features(settings(tmp_path), order(tmp_path), stop)
    assert json.loads((tmp_path / "f" / "views.json").read_text())["sha256"] is None
    computed[:] = [(True, -1)] * 3
    make_features(settings(tmp_path), order(tmp_path), Stop())
    assert computed[3:] == [(True, 128), (False, 0), (False, 64)]
    for name in ("views.npy", "features.npz", "test_targets.npy", "data.json"):
        assert (tmp_path / "f" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert "made before" in make_features(settings(tmp_path), order(tmp_path))
    record, now = (
        json.loads((tmp_path / "f" / "views.json").read_text()),
        tmp_path / "f" / "views.npy",
    )
    assert record["file"] == {"bytes": now.stat().st_size, "mtime_ns": now.stat().st_mtime_ns}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 1}, "something else: .*weights_sha256.*seed"),
        ({"toy_seed": 1}, "images_sha256"),
        ({"crop_ratio": 0.5}, "padding"),
        ({"amp": "bf16"}, r"amp \(None then, bf16 now\)"),
    ],
)
def test_other_settings_are_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    make_features(settings(tmp_path), order(tmp_path))
    before = (tmp_path / "f" / "views.npy").read_bytes()
    with pytest.raises(SettingsError, match=message):
        make_features(settings(tmp_path, **changed), order(tmp_path))
    assert (tmp_path / "f" / "views.npy").read_bytes() == before


def test_a_file_of_somebody_else_and_a_network_of_vectors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "views.npy").write_bytes(b"mine")
    with pytest.raises(SettingsError, match=r"views\.npy, which usb_ext did not write"):
        make_features(settings(tmp_path), order(tmp_path))
    assert (tmp_path / "f" / "views.npy").read_bytes() == b"mine"
    vectors = settings(tmp_path, net="mlp_8", dataset="moons", num_classes=2)
    with pytest.raises(SettingsError, match="takes features and makes none"):
        make_features(vectors, order(tmp_path, "g"))
