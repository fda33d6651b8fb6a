"""A run starts from another's weights: with more labels, or the whole network from a head on its features."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.run import TINY, assert_same_state, checkpoint_of, run

import usb_ext
from usb_ext.cli.main import main
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.engine.loop import Loop
from usb_ext.settings import load_settings
from usb_ext.training.start_from import find_start
from usb_ext.upstream.nets import net_builder
from usb_ext.upstream.weights import last_layer

CLASSES = ("blue", "green", "red")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    run(folder, num_train_iter=4, lr=0.05)
    return folder


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """The two networks of each run as they are before its first step, and the momentum left out."""
    seen: list[tuple[Any, Any]] = []
    original = Loop.train_steps

    def steps(self: Any) -> None:
        held = [
            {k: v.clone() for k, v in n.state_dict().items()} for n in (self.model, self.ema_model)
        ]
        assert self.it > 0 or not self.optimizer.state
        seen.append((held[0], held[1]))
        original(self)

    monkeypatch.setattr(Loop, "train_steps", steps)
    return seen


def test_weights_and_averages_are_those_of_the_run(
    tmp_path: Path, first: Path, begun: list[tuple[Any, Any]]
) -> None:
    source = checkpoint_of(first)
    given = {"start_from": str(first / "run"), "num_labels": 20, "num_train_iter": 4}
    result = run(tmp_path, **given)
    assert_same_state(begun[0][0], source["model"])
    assert_same_state(begun[0][1], source["ema_model"])
    parameter = "conv1.weight"
    assert not torch.equal(source["model"][parameter], source["ema_model"][parameter])
    assert result is not None and result.made_from["start_from"]["sha256"]
    run(tmp_path / "cut", stop_after=2, **given)
    run(tmp_path / "cut", resume=True, **given)
    assert_same_state(checkpoint_of(tmp_path), checkpoint_of(tmp_path / "cut"))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"net": "mlp_100_100", "dataset": "moons", "num_classes": 2}, "which has net wrn_10_1"),
        ({"net": "wrn_28_2"}, "give --net wrn_10_1"),
        ({"algorithm": "comatch"}, "are not those of this run's network"),
    ],
    ids=["data", "net", "method"],
)
def test_another_network_is_refused(
    tmp_path: Path, first: Path, changed: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        run(tmp_path, start_from=str(first / "run"), **changed)
    assert not (tmp_path / "run").exists()


def test_no_run_and_one_that_has_not_ended_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="does not exist"):
        run(tmp_path, start_from=str(tmp_path / "nowhere"))
    run(tmp_path / "cut", stop_after=2)
    with pytest.raises(SettingsError, match="has not ended"):
        run(tmp_path, start_from=str(tmp_path / "cut" / "run"))


def pictures(place: Path, names: tuple[str, ...] = CLASSES, each: int = 5) -> None:
    rng = np.random.default_rng(0)
    for number, name in enumerate(names):
        for split in ("train", "test"):
            (place / split / name).mkdir(parents=True)
            for i in range(each):
                pixels = rng.integers(0, 120, (16, 16, 3), dtype=np.uint8)
                pixels[..., number] += 120
                Image.fromarray(pixels).save(place / split / name / f"{i}.png")


@pytest.fixture(scope="module", params=["wrn_10_1", "timm/test_efficientnet.r160_in1k"])
def head(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear head on features of a network of random weights."""
    place = tmp_path_factory.mktemp("head")
    pictures(place / "data")
    words = ["--dataset", "imagefolder", "--data_dir", place / "data", "--num_classes", 3]
    words += ["--num_labels", 6, "--net", request.param, "--img_size", 16, "--device", "cpu"]
    words += ["--weak", 1, "--strong", 1, "--progress", "off", "--out", place / "kept"]
    assert main(["features", *map(str, words)]) == 0
    (place / "net.txt").write_text(request.param)
    for name, net in (("linear", "linear"), ("hidden", "mlp_8")):
        given = {"algorithm": "fixmatch", "dataset": "features", "num_classes": 3, "net": net}
        given |= {"feature_file": str(place / "kept"), "num_labels": 6, "num_train_iter": 20}
        given |= {"num_eval_iter": 20, "epoch": 1, "save_dir": str(place), "lr": 0.05, "ema_m": 0.9}
        usb_ext.train(**given, save_name=name, num_workers=0, device="cpu", progress="off")
    return place


def whole(place: Path, out: Path, **changed: Any) -> dict[str, Any]:
    given = {**TINY, "algorithm": "fixmatch", "dataset": "imagefolder", "num_classes": 3}
    given |= {"data_dir": str(place / "data"), "net": (place / "net.txt").read_text()}
    given |= {"num_labels": 6, "num_train_iter": 2, "epoch": 1, "num_eval_iter": 2}
    return {**given, "start_from": str(place / "linear"), "save_dir": str(out), **changed}


def test_the_whole_network_starts_where_the_head_ended(
    head: Path, tmp_path: Path, begun: list[tuple[Any, Any]]
) -> None:
    """On plain views its logits are those of the head on plain features, up to the features' 16 bits."""
    usb_ext.train(**whole(head, tmp_path))
    name = (head / "net.txt").read_text()
    kept = torch.from_numpy(np.load(head / "kept" / "views.npy")[-15:].astype(np.float32))
    state = torch.load(head / "linear" / "latest_model.pth", weights_only=True)
    run_of_head = usb_ext.load_run(head / "linear", device="cpu").on_images()
    files = sorted((head / "data" / "test").glob("*/*.png"))
    images = torch.stack([run_of_head.transform(np.asarray(Image.open(f))) for f in files])
    for held, key in zip(begun[-1], ("model", "ema_model"), strict=True):
        net = net_builder(name, 16)(num_classes=3)
        net.load_state_dict(held)
        wanted = kept @ state[key]["classifier.weight"].T + state[key]["classifier.bias"]
        with torch.no_grad():
            found = net.eval()(images)["logits"]
        scale = float(kept.abs().max() * state[key]["classifier.weight"].abs().sum(dim=1).max())
        torch.testing.assert_close(found, wanted, rtol=0, atol=2**-10 * scale)
        assert float(wanted.std(dim=0).min()) > 4 * 2**-10 * scale or name.startswith("timm")
    assert last_layer(net_builder(name, 16)(num_classes=3), 3) in {
        k.rpartition(".")[0] for k in begun[-1][0]
    }


def test_a_head_that_does_not_fit_is_refused(head: Path, tmp_path: Path) -> None:
    cases = [
        ({"start_from": str(head / "hidden")}, "hidden layers have no place in"),
        ({"net": "wrn_28_2"}, "which has net"),
    ]
    for changed, words in cases:
        with pytest.raises(SettingsError, match=words):
            usb_ext.train(**whole(head, tmp_path, **changed))
    pictures(tmp_path / "other", ("blue", "green", "yellow"))
    with pytest.raises(SettingsError, match="whose classes are blue, green, red"):
        usb_ext.train(**whole(head, tmp_path, data_dir=str(tmp_path / "other")))
    assert not (tmp_path / "run").exists()
    assert find_start(load_settings({"net": "wrn_10_1"}).settings) is None
