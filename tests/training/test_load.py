"""A finished run opened from its folder: it predicts what the run recorded, and changes nothing.

The oracle prepares the run's own test images one by one, puts them through the network in one batch and
counts; the run did so through data sets, loaders and hooks.
"""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from support.built import UNBALANCED
from support.run import checkpoint_of, metrics_of, run
from support.text import run_texts, write_bert, write_texts
from support.toy import run_points

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.arrays import load_digits_arrays
from usb_ext.data.toy import load_toy
from usb_ext.training.load import TrainedRun, load_run

FOLDER: dict[str, Any] = {
    "dataset": "imagefolder", "num_classes": 3, "num_labels": 6, "algorithm": "fixmatch",
    "num_train_iter": 12, "lr": 0.05,
}  # fmt: skip
NAMES = ("Ähre", "birch", "oak tree")


def logits_of(loaded: TrainedRun, examples: Any) -> torch.Tensor:
    """Each example prepared by itself, then one batch."""
    inputs = torch.stack([loaded.transform(example) for example in examples])
    with torch.inference_mode():
        logits: torch.Tensor = loaded.network(inputs)["logits"]
    return logits


def assert_reproduces(loaded: TrainedRun, examples: Any, targets: Any) -> None:
    """The accuracy of `result.json` exactly, and the loss of the last evaluation to rounding."""
    logits, classes = logits_of(loaded, examples), torch.as_tensor(np.asarray(targets))
    assert loaded.result is not None
    accuracy = int((logits.argmax(dim=1) == classes).sum()) / len(classes)
    assert accuracy == loaded.result.top1_last
    last = [json.loads(line) for line in (loaded.folder / "metrics.jsonl").open()][-1]
    assert F.cross_entropy(logits, classes).item() == pytest.approx(last["eval/loss"], rel=1e-5)


def digits() -> tuple[Any, Any]:
    arrays = load_digits_arrays(16)
    return arrays.test_images, arrays.test_targets


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in files}


def photographs(root: Path, size: tuple[int, int] = (20, 27)) -> list[tuple[Path, int]]:
    """`root/train` and `root/test`, JPEGs of a colour a class with noise, a PNG with transparency and one on
    its side; gives the test files with their classes."""
    rng, tests = np.random.default_rng(0), []
    for number, name in enumerate(NAMES):
        for split, count in (("train", 6), ("test", 4)):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 120, (*size, 3))
                pixels[..., number] += 80
                path = root / split / name / f"{i}.{'png' if i == 1 else 'jpg'}"
                picture, exif = Image.fromarray(pixels.astype(np.uint8)), Image.Exif()
                if i == 1:
                    picture.putalpha(128)
                exif[0x0112] = 6 if i == 2 else 1
                picture.save(path, exif=exif)
                tests += [(path, number)] if split == "test" else []
    return tests


@pytest.mark.parametrize("augment", ["usb", "batched"])
def test_digits_are_predicted_as_the_run_recorded(tmp_path: Path, augment: str) -> None:
    result = run(tmp_path, augment=augment, num_train_iter=20, num_eval_iter=10, lr=0.05)
    before = contents(tmp_path)
    loaded = load_run(tmp_path / "run")
    assert contents(tmp_path) == before
    assert_reproduces(loaded, *digits())
    assert loaded.result == result and loaded.folder == tmp_path / "run"
    assert loaded.classes == tuple("0123456789")
    assert (loaded.settings.algorithm, loaded.settings.augment) == ("layermatch", augment)
    assert not loaded.network.training
    assert not any(module.training for module in loaded.network.modules())


def test_each_checkpoint_is_its_own(tmp_path: Path) -> None:
    """The accuracy of every evaluation was recorded; the checkpoints stand where it was saved."""
    run(tmp_path, num_train_iter=16, num_eval_iter=4, num_save_iter=4, lr=0.05, ema_m=0.5)
    rows = [row for row in metrics_of(tmp_path) if "eval/top-1-acc" in row]
    evaluated = {row["it"]: row["eval/top-1-acc"] for row in rows}
    images, targets = digits()
    names = {"latest": "latest_model", "best": "model_best", "previous": "previous_model"}
    steps = []
    for which, file in names.items():
        loaded = load_run(tmp_path / "run", which=which)  # type: ignore[arg-type]
        predicted = logits_of(loaded, images).argmax(dim=1).numpy()
        steps.append(int(checkpoint_of(tmp_path, f"{file}.pth")["it"]))
        assert (predicted == targets).mean() == pytest.approx(evaluated[steps[-1]])
    assert steps[0] == 16 and steps[2] == 12
    assert evaluated[steps[1]] == max(evaluated.values())


@pytest.mark.parametrize("augment", ["usb", "batched"])
def test_a_folder_of_photographs_is_predicted_without_the_folder(
    tmp_path: Path, augment: str
) -> None:
    tests = photographs(tmp_path / "photos")
    run(tmp_path, **FOLDER, data_dir=str(tmp_path / "photos"), augment=augment)
    kept = [(tmp_path / f"{n}{path.suffix}", number) for n, (path, number) in enumerate(tests)]
    for (path, _), (copy, _) in zip(tests, kept, strict=True):
        shutil.copy(path, copy)
    shutil.rmtree(tmp_path / "photos")
    loaded = load_run(tmp_path / "run")
    assert loaded.classes == ("birch", "oak tree", "Ähre") == tuple(sorted(NAMES))
    order = [sorted(NAMES).index(NAMES[number]) for _, number in kept]
    assert_reproduces(loaded, [Image.open(path) for path, _ in kept], order)


def test_a_vision_transformer(tmp_path: Path) -> None:
    tests = photographs(tmp_path / "photos")
    vit = {"net": "support.nets:tiny_vit", "img_size": 8, "optim": "AdamW", "lr": 1e-3}
    run(tmp_path, **{**FOLDER, **vit}, data_dir=str(tmp_path / "photos"))
    order = [sorted(NAMES).index(NAMES[number]) for _, number in tests]
    assert_reproduces(load_run(tmp_path / "run"), [Image.open(path) for path, _ in tests], order)


def test_points(tmp_path: Path) -> None:
    run_points(tmp_path, num_train_iter=40, num_eval_iter=40, epoch=1)
    loaded = load_run(tmp_path / "run")
    points = load_toy(loaded.settings)
    assert loaded.transform.to_json() == {"kind": "point", "shape": [2]}
    assert_reproduces(loaded, points.test_images.tolist(), points.test_targets)
    assert loaded.classes == ("0", "1")


def test_an_algorithm_that_wraps_the_network(tmp_path: Path) -> None:
    run(tmp_path, algorithm="comatch", num_train_iter=4, epoch=1, proj_size=8, da_len=2)
    assert any(name.startswith("backbone.") for name in checkpoint_of(tmp_path)["ema_model"])
    assert_reproduces(load_run(tmp_path / "run"), *digits())


@pytest.mark.parametrize(
    "changed",
    [
        {"imb_algorithm": "abc", "algorithm": "remixmatch"},  # wrapped twice
        {"imb_algorithm": "tras", "tras_warmup_epochs": 1},
        {"imb_algorithm": "tras", "tras_warmup_epochs": 5},
        {"imb_algorithm": "cossl", "cossl_warm_epoch": 1, "cossl_tfe_warm_bs": 8},
    ],
    ids=lambda changed: " ".join(map(str, changed.values())),
)
def test_imbalanced_algorithms_with_the_head_that_predicts(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    """A large learning rate, so that the heads disagree; the loss tells which of them was asked."""
    run(tmp_path, **{**UNBALANCED, **changed}, num_train_iter=6, epoch=2, lr=0.1)
    assert_reproduces(load_run(tmp_path / "run"), *digits())


def test_a_run_without_a_test_split(tmp_path: Path) -> None:
    photographs(tmp_path / "photos")
    shutil.rmtree(tmp_path / "photos" / "test")
    run(tmp_path, **FOLDER, data_dir=str(tmp_path / "photos"), without_test=True)
    loaded = load_run(tmp_path / "run")
    assert loaded.result is not None and loaded.result.top1_last is None
    assert loaded.transform(np.zeros((40, 30, 3), np.uint8)).shape == (3, 16, 16)
    black = loaded.transform(Image.new("RGB", (5, 5)))
    assert black[:, 0, 0].tolist() == pytest.approx(
        [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    )


def test_averages_and_not_the_trained_weights(tmp_path: Path) -> None:
    run(tmp_path, ema_m=0.9)
    loaded, state = load_run(tmp_path / "run"), checkpoint_of(tmp_path)
    weights = loaded.network.state_dict()
    parameters = {name for name, _ in loaded.network.named_parameters()}
    for name, tensor in weights.items():
        source = "ema_model" if name in parameters else "model"
        assert torch.equal(tensor, state[source][name]), name
    assert not torch.equal(state["model"]["conv1.weight"], weights["conv1.weight"])


def test_an_interrupted_run_opens_and_so_does_one_that_has_no_record_yet(tmp_path: Path) -> None:
    run(tmp_path, stop_after=5)
    loaded = load_run(str(tmp_path / "run"))
    assert loaded.result is not None
    assert (loaded.result.status, loaded.result.iterations) == ("interrupted", 5)
    (tmp_path / "run" / "result.json").unlink()
    assert load_run(tmp_path / "run").result is None


def test_the_transform_goes_to_other_processes(tmp_path: Path) -> None:
    run(tmp_path, num_train_iter=2, epoch=1)
    transform = load_run(tmp_path / "run").transform
    image = digits()[0][0]
    assert torch.equal(pickle.loads(pickle.dumps(transform))(image), transform(image))


def test_a_folder_from_before_model_json_opens_where_its_set_is_known(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "run" / "model.json").unlink()
    assert_reproduces(load_run(tmp_path / "run"), *digits())


def test_resuming_gives_an_older_folder_what_it_lacks(tmp_path: Path) -> None:
    photographs(tmp_path / "photos")
    given = {**FOLDER, "data_dir": str(tmp_path / "photos")}
    run(tmp_path, **given)
    (tmp_path / "run" / "model.json").unlink()
    with pytest.raises(DataMissing, match=r"has no model\.json"):
        load_run(tmp_path / "run")
    run(tmp_path, **given, resume=True)
    assert load_run(tmp_path / "run").classes == tuple(sorted(NAMES))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run's folder; tests that break it copy it first."""
    folder = tmp_path_factory.mktemp("finished")
    run(folder, num_train_iter=4, num_eval_iter=2, epoch=1)
    return folder / "run"


@pytest.fixture
def broken(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def message_of(error: type[Exception], folder: Path, **chosen: Any) -> str:
    """The one line that a folder is refused with."""
    with pytest.raises(error) as caught:
        load_run(folder, **chosen)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400
    return message


def test_no_folder_and_no_runs_folder(tmp_path: Path) -> None:
    assert "none does not exist; give the folder that a run left" in message_of(
        DataMissing, tmp_path / "none"
    )
    assert f"{tmp_path} holds no config.yaml" in message_of(DataMissing, tmp_path)
    (tmp_path / "file").touch()
    assert "file holds no config.yaml" in message_of(DataMissing, tmp_path / "file")


def test_no_checkpoint_yet(broken: Path) -> None:
    (broken / "latest_model.pth").unlink()
    message = message_of(DataMissing, broken)
    assert "has no checkpoint latest_model.pth (yet)" in message
    assert "there is which='best' and which='previous'" in message
    for path in broken.glob("*.pth"):
        path.unlink()
    assert message_of(DataMissing, broken).endswith("; there is no other")
    assert "model_best.pth" in message_of(DataMissing, broken, which="best")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a model", None])
def test_a_damaged_checkpoint(broken: Path, content: bytes | None) -> None:
    path = broken / "latest_model.pth"
    path.write_bytes(path.read_bytes()[:5000] if content is None else content)
    message = message_of(DataMissing, broken)
    assert message.startswith(f"{path} is not a whole checkpoint")
    assert "which='best' and which='previous'" in message and "--resume" not in message
    assert load_run(broken, which="previous").result is not None


def test_weights_of_somebody_else(broken: Path) -> None:
    torch.save({"model": {}}, broken / "latest_model.pth")
    assert "was not written by usb_ext" in message_of(DataMissing, broken)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "net: wrn_10_1",
            "net: wrn_28_2",
            "net: wrn_10_1, but config.yaml beside it says wrn_28_2",
        ),
        (
            "num_classes: 10",
            "num_classes: 5",
            "num_classes: 10, but config.yaml beside it says 5",
        ),
    ],
)
def test_a_config_that_was_changed(broken: Path, before: str, after: str, said: str) -> None:
    (broken / "model.json").unlink()
    text = (broken / "config.yaml").read_text()
    assert before in text
    (broken / "config.yaml").write_text(text.replace(before, after))
    assert said in message_of(SettingsError, broken)


def test_a_network_of_the_users_own_that_has_become_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self, num_classes, width):\n"
        "        super().__init__()\n"
        "        self.num_features = width\n"
        "        self.body = torch.nn.Linear(3, width)\n"
        "        self.classifier = torch.nn.Linear(width, num_classes)\n"
        "    def forward(self, x, **_):\n"
        "        feat = self.body(x.mean(dim=(2, 3)))\n"
        "        return {'logits': self.classifier(feat), 'feat': feat}\n"
        "width = 4\n"
        "def net(num_classes):\n"
        "    return Net(num_classes, width)\n"
    )
    (tmp_path / "own_net_of_load.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    run(tmp_path, net="own_net_of_load:net", algorithm="fixmatch", num_train_iter=2, epoch=1)
    assert_reproduces(load_run(tmp_path / "run"), *digits())
    monkeypatch.setattr("own_net_of_load.width", 5)
    message = message_of(SettingsError, tmp_path / "run")
    assert "3 of another shape (body.bias, body.weight, classifier.weight)" in message
    assert str(tmp_path / "run" / "latest_model.pth") in message


@pytest.mark.parametrize(
    "text", ["{", "[]", "3", "[" * 100_000, '{"algorithm": "uda"}', '{"sha256": ""}']
)
def test_a_damaged_record(broken: Path, text: str) -> None:
    (broken / "result.json").write_text(text)
    assert message_of(DataMissing, broken).startswith(f"{broken / 'result.json'} is damaged (")


def test_a_damaged_config(broken: Path) -> None:
    (broken / "config.yaml").write_text("seed: [1")
    assert message_of(SettingsError, broken).startswith(f"{broken / 'config.yaml'}:1: ")


def test_wrong_arguments(finished: Path) -> None:
    message = message_of(SettingsError, finished, which="newest")
    assert message == "which is 'newest'; allowed: latest, best, previous"
    assert "cuda:9" in message_of(SettingsError, finished, device="cuda:9")


def test_texts_are_refused_in_a_sentence(tmp_path: Path) -> None:
    write_texts(tmp_path)
    write_bert(tmp_path / "bert")
    run_texts(tmp_path, tmp_path, num_train_iter=2, epoch=1)
    message = message_of(SettingsError, tmp_path / "run")
    assert message.endswith(
        "is a run on aclImdb; load_run opens runs on images and on points alone"
    )


def test_it_predicts_files_images_and_arrays_alike(tmp_path: Path) -> None:
    """The oracle is each image prepared by itself, then a softmax in float64."""
    tests = photographs(tmp_path / "photos")
    run(tmp_path, **FOLDER, data_dir=str(tmp_path / "photos"))
    loaded, files = load_run(tmp_path / "run"), [path for path, _ in tests]
    logits = logits_of(loaded, [Image.open(path) for path in files]).double().numpy()
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = tuple(loaded.classes[i] for i in shares.argmax(axis=1))
    for images in (files, [str(path) for path in files], [Image.open(path) for path in files]):
        found = loaded.predict(images, batch_size=5)
        assert found.classes == names
        assert found.probabilities == pytest.approx(shares, abs=1e-5)
    array = np.asarray(Image.open(files[0]).convert("RGB"))
    stacked = loaded.predict_proba(np.stack([array, array]))
    alone = [loaded.predict_proba(one) for one in (array, files[0], Image.open(files[0]))]
    assert stacked.shape == (2, 3) and [a.shape for a in alone] == [(1, 3)] * 3
    for one in alone:
        assert one[0] == pytest.approx(shares[0], abs=1e-5) == stacked[1]


def test_points_are_predicted(tmp_path: Path) -> None:
    run_points(tmp_path, num_train_iter=4, epoch=1, num_eval_iter=4)
    loaded = load_run(tmp_path / "run")
    points = np.array([[0.0, 1.0], [1.0, -0.5], [2.0, 0.0]])
    expected = logits_of(loaded, points).argmax(dim=1)
    assert loaded.predict(points).classes == tuple(str(int(c)) for c in expected)
    with pytest.raises(SettingsError, match="got a file name"):
        loaded.predict("a.png")


def test_what_cannot_be_predicted_is_one_line(finished: Path, tmp_path: Path) -> None:
    loaded = load_run(finished)
    (tmp_path / "bad.png").touch()
    for images, error, said in (
        ([tmp_path / "bad.png"], DataMissing, "bad.png: the file is empty"),
        (tmp_path / "none.png", DataMissing, "none.png"),
        (np.zeros((2, 8, 8, 3)), SettingsError, "images: number 0 .*uint8"),
        (np.zeros((2, 8, 8), np.uint8), SettingsError, "images: number 0"),
    ):
        with pytest.raises(error, match=said) as caught:
            loaded.predict(images)
        assert "\n" not in str(caught.value)
    with pytest.raises(SettingsError, match="batch_size is 0"):
        loaded.predict([], batch_size=0)


def test_an_older_checkpoint_in_the_place_of_the_latest_is_named(broken: Path) -> None:
    """It is whole, so that only the record can tell."""
    shutil.copyfile(broken / "previous_model.pth", broken / "latest_model.pth")
    with pytest.raises(
        DataMissing, match=r"latest_model\.pth is of step \d+, and result\.json .* of \d+"
    ):
        load_run(broken)
    assert load_run(broken, which="previous").result is not None
