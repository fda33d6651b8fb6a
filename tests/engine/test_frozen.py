"""A run on features predicts from images, from its folder alone."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import usb_ext
from usb_ext.cli.main import main
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.engine.frozen import COPY, WEIGHTS
from usb_ext.upstream.nets import net_builder

CLASSES = ("blue", "green", "red")


def pictures(place: Path, each: int, seed: int) -> list[Path]:
    """Noise with one channel that is bright: PNG of 16 pixels."""
    rng, made = np.random.default_rng(seed), []
    for number, name in enumerate(CLASSES):
        (place / name).mkdir(parents=True)
        for i in range(each):
            pixels = rng.integers(0, 120, (16, 16, 3), dtype=np.uint8)
            pixels[..., 2 - number] += 120
            made.append(place / name / f"{i}.png")
            Image.fromarray(pixels).save(made[-1])
    return made


def trained(tmp_path: Path, **changed: Any) -> Path:
    """Features of a network of random weights, and a run on them."""
    words = ["--dataset", "imagefolder", "--data_dir", tmp_path / "data", "--num_classes", 3]
    words += ["--num_labels", 6, "--net", "wrn_10_1", "--img_size", 16, "--device", "cpu"]
    words += ["--weak", 1, "--strong", 1, "--progress", "off", "--out", tmp_path / "kept"]
    assert main(["features", *map(str, words)]) == 0
    given = {"algorithm": "fixmatch", "dataset": "features", "feature_file": str(tmp_path / "kept")}
    given |= {"net": "mlp_8", "num_classes": 3, "num_labels": 6, "num_train_iter": 20, "lr": 0.05}
    given |= {"num_eval_iter": 20, "epoch": 1, "save_dir": str(tmp_path / "runs"), "num_workers": 0}
    return Path(usb_ext.train(**{**given, "device": "cpu", "progress": "off", **changed}).path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("frozen")
    pictures(tmp_path / "data" / "train", 8, 0)
    pictures(tmp_path / "data" / "test", 4, 1)
    trained(tmp_path, save_name="run")
    return tmp_path


def alone(place: Path, tmp_path: Path) -> Path:
    """The run's folder, with nothing beside it."""
    return Path(shutil.copytree(place / "runs" / "run", tmp_path / "alone"))


def test_images_and_their_features_get_the_same_answer(place: Path, tmp_path: Path) -> None:
    run = usb_ext.load_run(alone(place, tmp_path), device="cpu")
    files = sorted((place / "data" / "test").glob("*/*.png"))
    kept = np.load(place / "kept" / "views.npy")[-len(files) :].astype(np.float32)
    from_features = run.predict(kept)
    from_files = run.predict([str(f) for f in files])
    np.testing.assert_allclose(from_files.probabilities, from_features.probabilities, atol=2e-3)
    pixels = np.stack([np.asarray(Image.open(f)) for f in files])
    same = run.predict(pixels)
    np.testing.assert_array_equal(same.probabilities, from_files.probabilities)
    assert run.on_images().on_images().predict(pixels[0]).classes[0] == same.classes[0]


def test_a_transform_of_features_is_part_of_the_run(place: Path) -> None:
    """Its centre by NumPy from the plain views; images and their features still get the same answer."""
    folder = trained(place, save_name="power", net="linear", feature_transform="power")
    run = usb_ext.load_run(folder, device="cpu")
    train = len(sorted((place / "data" / "train").glob("*/*.png")))
    views = np.load(place / "kept" / "views.npy").astype(np.float64)
    roots = np.sqrt(np.abs(views[: 3 * train : 3])) * np.sign(views[: 3 * train : 3])
    center = (roots / np.linalg.norm(roots, axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(run.network.transform.center, center, atol=1e-6)
    files = sorted((place / "data" / "test").glob("*/*.png"))
    from_features = run.predict(views[-len(files) :].astype(np.float32))
    from_files = run.predict([str(f) for f in files])
    np.testing.assert_allclose(from_files.probabilities, from_features.probabilities, atol=2e-2)


def test_the_network_in_front_is_the_one_of_the_features(place: Path, tmp_path: Path) -> None:
    """By hand: kept tensors in the network of that name, then the layers of the run's own."""
    run = usb_ext.load_run(alone(place, tmp_path), device="cpu")
    net = net_builder("wrn_10_1", 16)(num_classes=3)
    net.load_state_dict(load_file(place / "kept" / WEIGHTS))
    images = torch.from_numpy(np.random.default_rng(3).normal(size=(5, 3, 16, 16))).double()
    with torch.no_grad():
        features = net.eval().double()(images, only_feat=True)
        wanted = run.network.double()(features)["logits"]
        found = run.on_images().network.double()(images)["logits"]
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


def test_the_commands_take_images(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(alone(place, tmp_path))
    images = str(place / "data" / "test")
    out = tmp_path / "predictions.csv"
    assert main(["predict", folder, images, "--out", str(out), "--device", "cpu"]) == 0
    assert len(out.read_text().splitlines()) == 13
    where = ["--out", str(tmp_path / "scores"), "--device", "cpu"]
    assert main(["evaluate", folder, images, *where]) == 0
    exported = tmp_path / "model.safetensors"
    assert main(["export", folder, "--format", "safetensors", "--out", str(exported)]) == 0
    assert any(name.startswith("frozen.") for name in load_file(exported))
    capsys.readouterr()


def test_a_network_that_is_gone_or_another_is_named(place: Path, tmp_path: Path) -> None:
    folder = alone(place, tmp_path)
    whole = (folder / COPY).read_bytes()
    (folder / COPY).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    run = usb_ext.load_run(folder, device="cpu")
    with pytest.raises(DataMissing, match=COPY):
        run.predict(np.zeros((16, 16, 3), np.uint8))
    assert run.predict(np.zeros((1, 64), np.float32)).probabilities.shape == (1, 3)
    (folder / COPY).unlink()
    with pytest.raises(DataMissing, match=COPY):
        usb_ext.load_run(folder, device="cpu").on_images()
    kept = Path(shutil.copytree(place / "kept", tmp_path / "kept"))
    (kept / WEIGHTS).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    given = {"algorithm": "fixmatch", "dataset": "features", "feature_file": str(kept), "epoch": 1}
    given |= {"net": "linear", "num_classes": 3, "num_labels": 6, "num_train_iter": 1}
    with pytest.raises(DataMissing, match="is not the network that made the features"):
        usb_ext.train(**given, device="cpu", progress="off", save_dir=str(tmp_path / "other"))


def test_features_that_kept_no_network_stay_points(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = Path(shutil.copytree(place / "kept", tmp_path / "kept"))
    record = json.loads((kept / "views.json").read_text())
    del record["network"]
    (kept / "views.json").write_text(json.dumps(record))
    given = {"algorithm": "fixmatch", "dataset": "features", "feature_file": str(kept), "epoch": 1}
    given |= {"net": "linear", "num_classes": 3, "num_labels": 6, "num_train_iter": 1}
    done = usb_ext.train(**given, device="cpu", progress="off", save_dir=str(tmp_path / "runs"))
    run = usb_ext.load_run(done.path, device="cpu")
    with pytest.raises(SettingsError, match="no images"):
        run.on_images()
    assert (
        main(["predict", str(done.path), str(place / "data"), "--out", str(tmp_path / "p.csv")])
        == 2
    )
    assert "points" in capsys.readouterr().err
