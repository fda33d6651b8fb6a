"""From settings to a method in training: what the seed decides, whose weights it starts from, its views."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.ssl import tiny

from usb_ext.as3l.pretrain.build import build
from usb_ext.core.errors import SettingsError
from usb_ext.core.files import RunFolder
from usb_ext.data.training_set import TrainingSet, load_training_set
from usb_ext.engine.parts import Stop
from usb_ext.upstream.nets import wrn_10_1


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    return load_training_set(tiny(tmp_path_factory.mktemp("digits")).settings)


def made(folder: Path, data: TrainingSet, **changed: Any) -> Any:
    """The training and its watch; nothing is written by making them."""
    settings = tiny(folder, **changed).settings
    found = build(settings, data, RunFolder(folder / "run"), torch.device("cpu"), Stop())
    assert not (folder / "run").exists()
    return found


def weights(training: Any) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in training.method.state_dict().items()}


def test_the_seed_decides_weights_and_order(tmp_path: Path, digits: TrainingSet) -> None:
    first, again, other = (made(tmp_path, digits, ssl_seed=seed)[0] for seed in (3, 3, 4))
    mine, same, others = map(weights, (first, again, other))
    assert all(torch.equal(mine[k], same[k]) for k in mine)
    name = "backbone.conv1.weight"
    assert not torch.equal(mine[name], others[name])
    assert torch.equal(first.views.batch(1)[0], again.views.batch(1)[0])
    assert not torch.equal(first.views.batch(1)[0], other.views.batch(1)[0])


def test_it_starts_from_a_file_of_weights_where_one_is_named(
    tmp_path: Path, digits: TrainingSet
) -> None:
    torch.manual_seed(9)
    state = wrn_10_1(num_classes=10).state_dict()
    torch.save(state, tmp_path / "own.pth")
    given = {"use_pretrain": True, "pretrain_path": str(tmp_path / "own.pth")}
    backbone = made(tmp_path, digits, **given)[0].method.backbone.state_dict()
    for name, value in state.items():
        if not name.startswith("classifier"):
            assert torch.equal(backbone[name], value), name


def test_steps_are_whole_batches_of_every_epoch(tmp_path: Path, digits: TrainingSet) -> None:
    """1,297 digits make 3 batches of 400; a batch larger than the set is no obstacle without epochs."""
    training, watch = made(tmp_path, digits, ssl_epochs=5)
    assert (training.views.steps, training.total) == (3, 15)
    assert (watch.k, watch.num_classes, len(watch.test_targets)) == (5, 10, 500)
    alone, _ = made(tmp_path, digits, ssl_epochs=0, ssl_batch_size=5000)
    assert (alone.views.batch_size, alone.total) == (1297, 0)


@pytest.mark.parametrize(("asked", "flips"), [(None, False), (True, True), (False, False)])
def test_digits_are_mirrored_only_where_asked(
    tmp_path: Path, digits: TrainingSet, asked: bool | None, flips: bool
) -> None:
    """A mirrored 2 is none, and the data set says so."""
    assert made(tmp_path, digits, ssl_hflip=asked)[0].views.recipe.hflip is flips


def test_the_layout_of_images_is_the_networks(tmp_path: Path, digits: TrainingSet) -> None:
    for wanted in (True, False):
        net = made(tmp_path, digits, channels_last=wanted)[0].method.backbone
        kernel = net.get_parameter("block1.layer.0.conv1.weight")
        assert kernel.is_contiguous(memory_format=torch.channels_last) is wanted


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ssl_batch_size": 1298}, "ssl_batch_size is 1298.*use at most 1297"),
        (
            {"label_split": "file", "label_file": "auto", "num_labels": 1300},
            "num_labels is 1300.*1297 training images to choose from",
        ),
    ],
)
def test_more_than_there_are_images_is_refused(
    tmp_path: Path, digits: TrainingSet, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        made(tmp_path, digits, **changed)
