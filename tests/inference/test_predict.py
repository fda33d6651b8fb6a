"""Probabilities in batches: the same as one by one, in order, and bad files left out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.used import Brightness

from usb_ext.core.errors import SettingsError
from usb_ext.data.preprocessing import ImagePreprocessing, PointPreprocessing
from usb_ext.inference.predict import forward, predict, predict_files

PLAIN = ImagePreprocessing(4, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def grey(level: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    return np.full((4, 4, 3), level, np.uint8)


def sigmoid(level: float) -> float:
    """Of logits m and -m the first class has 1 / (1 + exp(-2 m)), m = level / 255."""
    return float(1 / (1 + np.exp(-2 * level / 255)))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
def test_every_size_of_batch_gives_the_same_in_order(batch_size: int) -> None:
    levels = [0, 250, 20, 100, 7]
    found = predict(
        Brightness(), PLAIN, ("light", "dark"), np.stack([*map(grey, levels)]), batch_size
    )
    assert found.probabilities.shape == (5, 2) and found.probabilities.dtype == np.float32
    assert found.probabilities[:, 0] == pytest.approx([*map(sigmoid, levels)], abs=1e-6)
    assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(5))
    assert found.classes == ("light",) * 5  # of two that are equal the first
    turned = predict(Brightness(), PLAIN, ("light", "dark"), [], batch_size)
    assert turned.classes == () and turned.probabilities.shape == (0, 2)


def test_points_have_classes_too() -> None:
    points = np.array([[1.0, 3.0], [-1.0, -3.0]])
    assert predict(Brightness(), PointPreprocessing(2), ("a", "b"), points).classes == ("a", "b")
    with pytest.raises(SettingsError, match="number 0"):
        predict(Brightness(), PointPreprocessing(3), ("a", "b"), points)


def test_forward_leaves_no_gradient() -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3, 2))
    wrapped = torch.nn.ModuleDict({"net": network})
    wrapped.forward = lambda x: {"logits": network(x)}  # type: ignore[method-assign]
    forward(wrapped, torch.ones(2, 3))
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("batch_size", [1, 2, 10])
def test_files_that_are_bad_are_left_out(tmp_path: Path, batch_size: int) -> None:
    levels, files = [10, 200, 60, 90], []
    for number, level in enumerate(levels):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(grey(level)).save(files[-1])
    (tmp_path / "x.png").touch()
    given = [tmp_path / "x.png", *files[:3], tmp_path / "gone.png", files[3]]
    told: list[int] = []
    found = predict_files(Brightness(), PLAIN, 2, given, batch_size, told.append)
    assert found.good.tolist() == [1, 2, 3, 5] and sum(told) == len(given)
    assert found.probabilities[:, 0] == pytest.approx([*map(sigmoid, levels)], abs=1e-6)
    assert list(found.bad) == [0, 4] and found.bad[0] == "the file is empty (0 bytes)"


def test_no_file_is_good(tmp_path: Path) -> None:
    found = predict_files(Brightness(), PLAIN, 2, [tmp_path / "gone.png"])
    assert found.probabilities.shape == (0, 2) and len(found.good) == 0
