"""The data set `features`: the folder's content, damage named, and runs equal to those on the arrays."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.run import run

from usb_ext.cli.main import main
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.core.files import file_sha256
from usb_ext.data import feature_views
from usb_ext.data.feature_views import (
    FeatureArrays,
    KeptViews,
    load_feature_set,
    mean_of_weak_views,
    with_feature_size,
)
from usb_ext.data.features import Features, write_features
from usb_ext.data.fingerprint import Fingerprint, fingerprint_of, write_fingerprint
from usb_ext.data.sets import ADDED, OWN, add_dataset, open_source
from usb_ext.settings import Settings
from usb_ext.training.load import load_run

N, M, WEAK, STRONG, D = 60, 30, 2, 3, 6
RUN: dict[str, Any] = {
    "algorithm": "layermatch", "net": "mlp_8", "num_classes": 3, "num_labels": 6, "batch_size": 4,
    "num_train_iter": 6, "num_eval_iter": 3, "epoch": 1, "num_workers": 0,
}  # fmt: skip


def rows() -> np.ndarray:
    """Three clouds."""
    rng = np.random.default_rng(0)
    centres = 3 * rng.standard_normal((3, D))
    train = centres[np.arange(N) % 3][:, None] + rng.standard_normal((N, 1 + WEAK + STRONG, D))
    test = centres[np.arange(M) % 3] + rng.standard_normal((M, D))
    return np.concatenate([train.reshape(-1, D), test]).astype(np.float16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Written by hand, as the module's docstring says."""
    path = tmp_path / "kept"
    path.mkdir()
    np.save(path / "views.npy", rows())
    np.save(path / "test_targets.npy", np.arange(M) % 3)
    plain = rows()[: N * 6 : 6].astype(np.float32)
    targets = np.arange(N, dtype=np.int64) % 3
    write_features(
        path / "features.npz", Features(plain, np.arange(N), targets, "x", ("a", "b", "c"))
    )
    write_fingerprint(path, Fingerprint("arrays", {"images": "1"}))
    record = {"images": N, "test_images": M, "weak": WEAK, "strong": STRONG, "dimensions": D}
    digest = file_sha256(path / "views.npy")
    (path / "views.json").write_text(json.dumps({**record, "sha256": digest}))
    return path


def settings(folder: Path, **changed: Any) -> Settings:
    given = {"dataset": "features", "feature_file": str(folder), "net": "linear", "num_classes": 3}
    return Settings(**{**given, "num_labels": 6, **changed})


def test_views_and_classes_are_found_by_folder_and_by_file(folder: Path) -> None:
    for path in (folder, folder / "views.npy"):
        found = load_feature_set(settings(path))
        assert (found.weak, found.strong, found.classes) == (WEAK, STRONG, ("a", "b", "c"))
        whole = rows()
        assert torch.equal(found.train_images[7], torch.from_numpy(whole[42:48]))
        assert np.array_equal(found.test_images.tensor()[:, 0].numpy(), whole[N * 6 :])
        assert found.train_targets.tolist() == [i % 3 for i in range(N)]
    assert with_feature_size(settings(folder)).feature_size == D


def test_the_run_is_on_the_images_that_the_features_are_of(folder: Path) -> None:
    given = settings(folder)
    found = fingerprint_of(given, open_source(given))
    assert (found.kind, found.train) == ("arrays", {"images": "1"})
    assert found.inputs == {"feature_file": file_sha256(folder / "views.npy")}


def damage_size(folder: Path) -> None:
    np.save(folder / "views.npy", rows()[:-1])


def damage_content(folder: Path) -> None:
    with (folder / "views.npy").open("rb+") as file:
        file.seek(-2, 2)
        file.write(b"\x00\x01")


def damage_end(folder: Path) -> None:
    record = json.loads((folder / "views.json").read_text())
    (folder / "views.json").write_text(json.dumps({**record, "sha256": None}))


def damage_record(folder: Path) -> None:
    (folder / "views.json").unlink()


def test_a_file_that_was_not_touched_is_not_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, known = folder / "views.npy", json.loads((folder / "views.json").read_text())
    stamp = {"bytes": path.stat().st_size, "mtime_ns": path.stat().st_mtime_ns}
    (folder / "views.json").write_text(json.dumps({**known, "file": stamp}))
    read = []

    def digest(path: Path) -> str:
        read.append(path)
        return file_sha256(path)

    monkeypatch.setattr(feature_views, "file_sha256", digest)
    load_feature_set(settings(folder))
    assert read == []
    os.utime(path, ns=(0, 0))  # as a copy has it: read, and found to be the same
    load_feature_set(settings(folder))
    assert read == [path]
    damage_content(folder)
    with pytest.raises(DataMissing, match="not what was written"):
        load_feature_set(settings(folder))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_size, "its record says"),
        (damage_content, "not what was written"),
        (damage_end, "are not finished"),
        (damage_record, r"holds no views\.json; `usb-ext features"),
    ],
)
def test_damage_is_named(folder: Path, damage: Any, message: str) -> None:
    damage(folder)
    with pytest.raises(DataMissing, match=message):
        load_feature_set(settings(folder))


def test_another_size_is_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match="feature_size is 5, but features .* have 6"):
        with_feature_size(settings(folder, feature_size=5))


@pytest.fixture
def added() -> Iterator[str]:
    def load(_: Settings) -> FeatureArrays:
        values, classes = rows(), [np.arange(n, dtype=np.int64) % 3 for n in (N, M)]
        train = KeptViews(values[: N * 6].reshape(N, 6, D))
        test = KeptViews(values[N * 6 :].reshape(M, 1, D))
        return FeatureArrays(train, classes[0], test, classes[1], ("a", "b", "c"), WEAK, STRONG)

    add_dataset("kept_arrays", load)
    yield "kept_arrays"
    del ADDED["kept_arrays"]
    OWN.remove("kept_arrays")


def test_a_run_equals_the_one_on_the_arrays(folder: Path, tmp_path: Path, added: str) -> None:
    run(tmp_path, save_name="a", dataset="features", feature_file=str(folder), **RUN)
    run(tmp_path, save_name="b", dataset=added, feature_size=D, **RUN)
    plain = rows()[:9].astype(np.float32)
    found = [load_run(tmp_path / name) for name in ("a", "b")]
    assert np.array_equal(*(one.predict_proba(plain) for one in found))
    assert found[0].classes == ("a", "b", "c")
    assert found[0].settings.feature_size == D


def test_the_mean_of_plain_and_weak_views(folder: Path) -> None:
    views = rows()[: N * 6].astype(np.float64).reshape(N, 6, D)
    wanted = (views[:, 0] + views[:, 1] + views[:, 2]) / 3
    np.testing.assert_allclose(mean_of_weak_views(folder), wanted, atol=1e-3)


def test_images_are_chosen_on_the_mean_of_their_views(folder: Path, tmp_path: Path) -> None:
    """As on a features file that holds the means; refused where there are no views."""
    write_features(tmp_path / "means.npz", Features(mean_of_weak_views(folder), np.arange(N)))
    how = ["--budget", "6", "--strategy", "typiclust", "--normalise", "centered"]
    views = ["--features", str(folder / "features.npz"), "--average_views"]
    assert main(["select", *views, *how, "--out", str(tmp_path / "a")]) == 0
    plain = ["--features", str(tmp_path / "means.npz")]
    assert main(["select", *plain, *how, "--out", str(tmp_path / "b")]) == 0
    chosen = [json.loads((tmp_path / n / "selected.json").read_text())["ids"] for n in "ab"]
    assert chosen[0] == chosen[1]
    assert main(["select", *plain, *how, "--average_views", "--out", str(tmp_path / "c")]) == 3
    assert not (tmp_path / "c").exists()


def test_a_comparison_on_features_goes_on(folder: Path, tmp_path: Path) -> None:
    """The same command again finds its runs, though they name the size of their features."""
    file = tmp_path / "c.yaml"
    given = {**RUN, "algorithm": "fixmatch", "dataset": "features", "feature_file": str(folder)}
    file.write_text(json.dumps({**given, "device": "cpu"}))
    words = ["compare", "--c", str(file), "--methods", "fixmatch", "uda", "--seeds", "0"]
    words += ["--out", str(tmp_path / "out")]
    assert main(words) == 0
    runs = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "runs").rglob("*.pth")}
    assert len(runs) >= 2
    assert main(words) == 0
    assert runs == {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "runs").rglob("*.pth")}
    assert main([*words, "--lr", "0.5"]) == 2
