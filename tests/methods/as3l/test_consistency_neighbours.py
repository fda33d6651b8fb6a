"""The neighbours of a run's unlabelled images, and files that do not fit."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.digit_features import features_of_digits
from support.run import run

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.features import Features, write_features
from usb_ext.data.image_names import ImageIds
from usb_ext.methods.as3l.consistency import neighbours_of_run


def test_files_that_do_not_fit_are_refused_before_any_work(tmp_path: Path) -> None:
    path = features_of_digits(tmp_path)
    given = {"algorithm": "fixmatch", "consistency_features": str(path)}
    with pytest.raises(SettingsError, match="consistency_k is 1297.*at most 1296"):
        run(tmp_path, **given, consistency_k=1297)
    with pytest.raises(DataMissing, match="no such file"):
        run(tmp_path, algorithm="fixmatch", consistency_features=str(tmp_path / "none.npz"))
    with pytest.raises(SettingsError, match="does not show its pseudo-labels"):
        run(tmp_path, algorithm="fixmatch", step="usb", consistency_features=str(path))
    half = Features(np.ones((600, 2), np.float32), np.arange(600))
    write_features(path, half)
    with pytest.raises(SettingsError, match="lacks 697 of the 1297 unlabelled images"):
        run(tmp_path, **given)
    write_features(path, Features(np.ones((9, 2), np.float32), np.arange(9), dataset="cifar10"))
    with pytest.raises(SettingsError, match="is of dataset cifar10, the run's is digits"):
        run(tmp_path, **given)
    assert not (tmp_path / "run").exists()


def test_neighbours_are_those_of_the_images_whatever_the_order_of_file_and_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop over the run's unlabelled images, each looked up by its id in a shuffled file."""
    rng = np.random.default_rng(0)
    of_image = rng.normal(size=(30, 4)).astype(np.float32)
    order, unlabelled = rng.permutation(30), rng.permutation(30)[:21]
    path = tmp_path / "features.npz"
    write_features(path, Features(of_image[order], order))
    data = SimpleNamespace(positions=unlabelled, ids=ImageIds(30))
    args = SimpleNamespace(
        consistency_features=str(path), consistency_k=3, dataset="x",
        parts=SimpleNamespace(data=data, device="cpu"),
    )  # fmt: skip
    for most in (20_000, 8):
        monkeypatch.setattr("usb_ext.methods.as3l.consistency.MOST", most)
        watched, near = neighbours_of_run(args)
        assert len(watched) == len(set(watched.tolist())) == min(most, 21)
        values = of_image[unlabelled[watched.numpy()]]
        values = values / np.linalg.norm(values, axis=1, keepdims=True)
        for i, row in enumerate(values):
            cosine = values @ row
            cosine[i] = -2
            assert near[i].tolist() == np.argsort(-cosine)[:3].tolist()
    args.parts = SimpleNamespace(data=None)
    with pytest.raises(SettingsError, match="cannot tell the unlabelled images of x apart"):
        neighbours_of_run(args)
