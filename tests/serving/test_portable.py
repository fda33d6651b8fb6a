"""The network with its preprocessing in front, beside the run's own transform, and what it says of itself."""

import json

import numpy as np
import pytest
import torch
from support.used import MEAN, STD, Brightness, around

from usb_ext.data.preprocessing import ImagePreprocessing, PointPreprocessing, from_json
from usb_ext.serving.portable import (
    Portable,
    described,
    described_as_text,
    input_name,
    portable,
    trial_batch,
)
from usb_ext.upstream.nets import wrn_10_1


def test_images_of_the_right_size_are_prepared_as_the_run_prepares_them() -> None:
    torch.manual_seed(0)
    run = around(wrn_10_1(num_classes=4), "abcd")
    batch = trial_batch(run, 3)
    assert batch.shape == (3, 16, 16, 3) and batch.dtype == torch.uint8
    with torch.inference_mode():
        logits, probabilities = portable(run)(batch)
        inputs = torch.stack([run.transform(image) for image in batch.numpy()])
        expected = run.network(inputs)["logits"]
    assert torch.allclose(logits, expected, atol=1e-5)
    shares = np.exp(expected.double().numpy())
    assert probabilities.numpy() == pytest.approx(shares / shares.sum(1, keepdims=True), abs=1e-6)


def test_points_go_in_as_they_are() -> None:
    run = around(Brightness(), "ab", PointPreprocessing(3))
    logits, _ = Portable(run.network, run.transform)(torch.tensor([[1.0, 2.0, 6.0]]))
    assert logits.tolist() == [[3.0, -3.0]]
    assert input_name(run) == "points" and trial_batch(run, 2).shape == (2, 3)


def test_trials_are_the_same_each_time() -> None:
    run = around(Brightness(), "ab")
    assert torch.equal(trial_batch(run, 4), trial_batch(run, 4))
    assert len(trial_batch(run, 4).unique()) > 100


@pytest.mark.parametrize("resize", [None, 20])
def test_what_it_says_of_itself(resize: int | None) -> None:
    run = around(
        Brightness(), ("Ähre", "b"), ImagePreprocessing(16, MEAN, STD, resize), num_classes=2
    )
    said = json.loads(described_as_text(run))
    assert said == described(run)
    assert said["classes"] == ["Ähre", "b"]
    assert from_json(said["preprocessing"]) == run.transform
    assert said["input"]["shape"] == ["batch", 16, 16, 3] and said["input"]["dtype"] == "uint8"
    assert ("20 pixels" in said["input"]["before"]) == (resize == 20)
