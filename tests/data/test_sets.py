"""From settings to data sets: digits, a user's folder, and USB's own sets on files the test makes."""

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision
from PIL import Image
from support.data_arguments import arguments

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.sets import prepare
from usb_ext.data.splits import label_indices


def test_digits_split_and_views() -> None:
    data = prepare(arguments(img_size=16))
    labelled, unlabelled = data.datasets["train_lb"], data.datasets["train_ulb"]
    assert (len(labelled), len(unlabelled), len(data.datasets["eval"])) == (10, 1297, 500)
    assert sorted(labelled.targets.tolist()) == list(range(10))
    first = unlabelled[0]
    assert first["x_ulb_w"].shape == first["x_ulb_s"].shape == (3, 16, 16)
    np.testing.assert_array_equal(
        unlabelled.data[:10], labelled.data
    )  # USB's order: labelled first
    assert data.summary["class_coverage"] == 10 and data.datasets["test"] is None


def test_labelled_examples_can_be_kept_out_of_the_unlabelled() -> None:
    assert (
        len(prepare(arguments(img_size=16, include_lb_to_ulb=False)).datasets["train_ulb"]) == 1287
    )


def test_fullysupervised_gets_every_label() -> None:
    data = prepare(arguments(img_size=16, algorithm="fullysupervised"))
    assert len(data.datasets["train_lb"]) == 1297


def test_label_file_decides_the_labelled(tmp_path: Path) -> None:
    file = tmp_path / "labels.json"
    file.write_text("[5, 3, 900]")
    data = prepare(arguments(img_size=16, label_split="file", label_file=str(file)))
    assert data.labelled.tolist() == [5, 3, 900] and len(data.datasets["train_lb"]) == 3


def test_image_folder_with_labels_in_a_csv(tmp_path: Path) -> None:
    """An engineer's folder: unlabelled images in one heap, and a list of the few that were labelled."""
    colours = {"red": (250, 0, 0), "blue": (0, 0, 250)}
    for number in range(6):
        name, colour = list(colours.items())[number % 2]
        (tmp_path / "train").mkdir(exist_ok=True)
        Image.new("RGB", (20, 30), colour).save(tmp_path / "train" / f"{number}.png")
        (tmp_path / "test" / name).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (24, 24), colour).save(tmp_path / "test" / name / f"{number}.jpg")
    labels = tmp_path / "labels.csv"
    labels.write_text("file name,class\n0.png,red\n3.png,blue\n")
    args = arguments(
        dataset="imagefolder", data_dir=str(tmp_path), img_size=16, num_classes=2, num_labels=2,
        label_split="file", label_file=str(labels),
    )  # fmt: skip
    data = prepare(args)
    assert data.classes == ("blue", "red")
    assert data.datasets["train_lb"].targets.tolist() == [1, 0]
    assert data.datasets["train_lb"].data[0][0, 0].tolist() == [250, 0, 0]
    assert len(data.datasets["train_ulb"]) == 6  # the labelled two first, then the other four


def test_usb_set_with_our_split_and_no_files_elsewhere(
    cifar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cifar)
    site = Path(torchvision.__file__).parent.parent
    before = {p for p in site.rglob("labeled_idx*")}
    args = arguments(dataset="cifar10", data_dir="data", img_size=32, num_labels=20, label_seed=4)
    data = prepare(args)
    targets = np.tile(np.arange(40) % 10, 5)
    expected = label_indices(
        targets, num_classes=10, num_labels=20, label_split="per_class", label_seed=4
    )
    np.testing.assert_array_equal(data.labelled, expected)
    np.testing.assert_array_equal(data.datasets["train_lb"].targets, targets[expected])
    assert len(data.datasets["train_ulb"]) == 200
    np.testing.assert_array_equal(
        data.datasets["train_ulb"].data[:20], data.datasets["train_lb"].data
    )
    assert {p for p in site.rglob("labeled_idx*")} == before
    assert [p.name for p in cifar.iterdir()] == ["data"]


def test_usb_set_is_split_by_label_seed_alone(cifar: Path) -> None:
    def labelled(seed: int, label_seed: int) -> list[int]:
        folder = str(cifar / "data")
        args = arguments(dataset="cifar10", data_dir=folder, seed=seed, label_seed=label_seed)
        np.random.seed(seed)
        found: list[int] = prepare(args).labelled.tolist()
        return found

    assert labelled(0, 3) == labelled(1, 3) != labelled(0, 4)


def test_usb_set_with_random_nested_folds_and_one_class_reduced(
    cifar: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """20 images a class: class 3 keeps a quarter of those without a label."""
    given = {"dataset": "cifar10", "data_dir": str(cifar / "data"), "label_split": "random"}
    reduced = {"imbalance_class": 3, "imbalance_fraction": 0.25}
    folds = [prepare(arguments(**given, **reduced, num_labels=n)) for n in (7, 20, 60)]
    for small, large in itertools.pairwise(folds):
        assert set(small.labelled.tolist()) < set(large.labelled.tolist())
    assert "7 labels cover" in caplog.text
    for fold, n in zip(folds, (7, 20, 60), strict=True):
        served = Counter(fold.datasets["train_ulb"].targets)
        own = Counter(fold.datasets["train_lb"].targets.tolist())
        left = int((20 - own[3]) / 4 + 0.5)
        assert served[3] == own[3] + left and sum(served.values()) == 180 + served[3]
        assert fold.summary["counts"] == [own[c] for c in range(10)] and sum(own.values()) == n
        assert fold.unlabelled["counts"] == [served[c] for c in range(10)]
    with pytest.raises(SettingsError, match="num_labels is 201, but 200"):
        prepare(arguments(**given, num_labels=201))


def test_digits_with_one_class_reduced() -> None:
    whole = prepare(arguments(img_size=16))
    reduced = prepare(arguments(img_size=16, imbalance_class="random", imbalance_fraction=0.1))
    one = reduced.unlabelled["imbalance_class"]
    before, after = whole.unlabelled["counts"], reduced.unlabelled["counts"]
    assert [c for c in range(10) if before[c] != after[c]] == [one]
    assert after[one] == 1 + int(0.1 * (before[one] - 1) + 0.5)
    assert len(reduced.datasets["train_ulb"]) == sum(after)
    np.testing.assert_array_equal(whole.labelled, reduced.labelled)
    assert reduced.unlabelled["normalised_std"] > whole.unlabelled["normalised_std"]


def test_building_leaves_the_global_generators_alone(cifar: Path) -> None:
    np.random.seed(5)
    first = np.random.get_state()[1].copy()
    prepare(arguments(dataset="cifar10", data_dir=str(cifar / "data")))
    np.testing.assert_array_equal(np.random.get_state()[1], first)


@pytest.mark.parametrize("name", ["cifar100", "stl10", "svhn"])
def test_missing_files_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr("torchvision.datasets.utils._urlretrieve", unreachable)
    with pytest.raises(
        DataMissing, match=f"{name} was not found in .*{name}.*--data_dir"
    ) as caught:
        prepare(arguments(dataset=name, data_dir=str(tmp_path), num_labels=1000, num_classes=10))
    assert caught.value.exit_code == 3


def test_set_that_usb_splits_itself_takes_no_other_split() -> None:
    with pytest.raises(SettingsError, match="label_split"):
        prepare(arguments(dataset="imagenet", label_split="random"))
