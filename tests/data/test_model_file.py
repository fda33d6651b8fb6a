"""`model.json`: what is written when a run begins, and what is derived of a folder without it."""

import json
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.sets import cifar, imagenet, stl10

from usb_ext.core.errors import DataMissing
from usb_ext.core.files import RunFolder
from usb_ext.data.model_file import read_interface, write_interface
from usb_ext.data.preprocessing import ImagePreprocessing, PointPreprocessing
from usb_ext.data.sets import prepare
from usb_ext.settings import Settings, load_settings

# Published per-channel statistics, as USB has them; class names in the order of the sets' own labels.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def chosen(dataset: str, num_classes: int, **changed: Any) -> Settings:
    given = {"dataset": dataset, "num_classes": num_classes, "num_labels": num_classes}
    return load_settings(given, {"algorithm": "fixmatch", **changed}).settings


def prepared(settings: Settings) -> Any:
    return prepare(Namespace(**{**settings.model_dump(), "label_seed": 0}))


def test_digits_are_described_whole(tmp_path: Path) -> None:
    settings = chosen("digits", 10, img_size=16)
    write_interface(RunFolder(tmp_path), settings, prepared(settings))
    written = json.loads((tmp_path / "model.json").read_text())
    assert written["classes"] == [str(n) for n in range(10)]
    assert (written["takes"]["kind"], written["takes"]["shape"]) == ("image", [3, 16, 16])
    assert all(0.2 < value < 0.5 for name in ("mean", "std") for value in written["takes"][name])


@pytest.mark.parametrize(
    ("dataset", "num_classes", "names"),
    [
        ("digits", 10, {3: "3"}), ("moons", 2, {1: "1"}),
        ("cifar10", 10, {0: "airplane", 9: "truck"}), ("cifar100", 100, {0: "apple", 99: "worm"}),
        ("stl10", 10, {0: "airplane", 1: "bird", 9: "truck"}),
    ],
)  # fmt: skip
def test_what_is_derived_is_what_a_run_would_have_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dataset: str,
    num_classes: int,
    names: dict[int, str],
) -> None:
    if dataset.startswith("cifar"):
        cifar(tmp_path, dataset, monkeypatch, 2 * num_classes)
    if dataset == "stl10":
        stl10(tmp_path, monkeypatch, 2)
    net = {"net": "mlp_100_100"} if dataset == "moons" else {}
    settings = chosen(dataset, num_classes, data_dir=str(tmp_path), img_size=24, **net)
    folder = RunFolder(tmp_path)
    derived = read_interface(folder, settings)
    write_interface(folder, settings, prepared(settings))
    assert read_interface(folder, settings) == derived
    assert {number: derived.classes[number] for number in names} == names
    assert len(set(derived.classes)) == num_classes


def test_imagenets_classes_are_its_folders_and_its_images_are_cut(tmp_path: Path) -> None:
    imagenet(tmp_path / "imagenet", ["n01", "n02"], per_class=4)
    settings = chosen("imagenet", 2, data_dir=str(tmp_path), img_size=28, crop_ratio=0.875)
    folder = RunFolder(tmp_path)
    expected = ImagePreprocessing(28, *IMAGENET, resize=32)
    assert read_interface(folder, settings).transform == expected
    write_interface(folder, settings, prepared(settings))
    found = read_interface(folder, settings)
    assert (found.classes, found.transform) == (("n01", "n02"), expected)


def test_other_sets_of_usb_are_derived_where_usb_tells(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    svhn = read_interface(folder, chosen("svhn", 10))
    assert svhn.classes == tuple("0123456789")
    assert svhn.transform == ImagePreprocessing(
        32, (0.4380, 0.4440, 0.4730), (0.1751, 0.1771, 0.1744)
    )
    eurosat = read_interface(folder, chosen("eurosat", 10, img_size=64))
    assert eurosat.transform == ImagePreprocessing(64, (0.5,) * 3, (0.5,) * 3)
    assert (eurosat.classes[0], eurosat.classes[9]) == ("AnnualCrop", "SeaLake")


@pytest.mark.parametrize("dataset", ["imagefolder", "tissuemnist", "somebodys"])
def test_what_cannot_be_derived_is_said_with_the_way_to_it(tmp_path: Path, dataset: str) -> None:
    with pytest.raises(DataMissing) as caught:
        read_interface(RunFolder(tmp_path), chosen(dataset, 10))
    message = str(caught.value)
    assert f"{tmp_path} has no model.json" in message and f"dataset {dataset}" in message
    assert f"usb-ext train --c {tmp_path}/config.yaml --resume" in message and "\n" not in message


def test_texts_have_classes_and_no_transform(tmp_path: Path) -> None:
    text = {"net": "bert_base_uncased", "use_cat": False}
    settings, folder = chosen("aclImdb", 2, **text), RunFolder(tmp_path)
    datasets = {"eval": SimpleNamespace(data=np.array(["a"]), targets=[0])}
    write_interface(folder, settings, SimpleNamespace(datasets=datasets, classes=None))  # type: ignore[arg-type]
    found = read_interface(folder, settings)
    assert (found.classes, found.transform) == (("0", "1"), None)


WHOLE = {"takes": PointPreprocessing(2).to_json(), "classes": ["a", "b"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "JSONDecodeError"),
        ('{"takes": {', "JSONDecodeError"),
        ("[]", "TypeError"),
        ("{}", "KeyError: 'classes'"),
        (json.dumps({**WHOLE, "classes": ["a"]}), "1 classes, but num_classes is 2"),
        (json.dumps({**WHOLE, "takes": {"kind": "sound"}}), "KeyError: 'shape'"),
        (json.dumps({**WHOLE, "takes": {"kind": "sound", "shape": [1]}}), "kind is 'sound'"),
        (json.dumps({**WHOLE, "takes": {"kind": "point", "shape": "ab"}}), "ValueError"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    folder = RunFolder(tmp_path)
    folder.model.write_text(text)
    with pytest.raises(DataMissing) as caught:
        read_interface(folder, chosen("moons", 2, net="mlp_100_100"))
    message = str(caught.value)
    assert message.startswith(f"{folder.model} is damaged (") and said in message
    assert "--resume" in message and "\n" not in message


def test_preprocessing_that_was_changed_is_damaged(tmp_path: Path) -> None:
    settings = chosen("digits", 10, img_size=16)
    write_interface(RunFolder(tmp_path), settings, prepared(settings))
    path = tmp_path / "model.json"
    content = json.loads(path.read_text())
    content["takes"]["mean"][0] += 0.125
    path.write_text(json.dumps(content))
    with pytest.raises(DataMissing, match="not those that were written"):
        read_interface(RunFolder(tmp_path), settings)
