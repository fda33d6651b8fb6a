"""The table of learned weights: what each column holds, and the file."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.built import built

from usb_ext.methods.influence.report import WeightsTable, save_weights, weights_table


def table(weight: list[float], pseudo: list[int], true: list[int]) -> WeightsTable:
    return WeightsTable(
        np.array(weight, np.float32), np.array(pseudo, np.int64), np.array(true, np.int64)
    )


@pytest.fixture
def algorithm(tmp_path: Path) -> Any:
    """A run on 20 unlabelled digits with weights of its own."""
    made = built(tmp_path, algorithm="fixmatch", ulb_num_labels=20, include_lb_to_ulb=False)
    weights = torch.linspace(0, 2, 20, dtype=torch.float64)
    made.hooks_dict["InfluenceWeightingHook"] = SimpleNamespace(weights=weights)
    return made


def test_pseudo_labels_are_the_averaged_networks_on_plain_images(algorithm: Any) -> None:
    with torch.no_grad():
        for parameter in algorithm.model.parameters():
            parameter.zero_()  # the table must not ask this one
    before = torch.get_rng_state()
    found = weights_table(algorithm)
    assert found is not None and torch.equal(torch.get_rng_state(), before)
    data = algorithm.dataset_dict["train_ulb"]
    images = torch.from_numpy(np.asarray(data.data)).permute(0, 3, 1, 2).float() / 255
    normal = algorithm.dataset_dict["eval"].transform.transforms[-1]
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (normal.mean, normal.std))
    algorithm.ema_model.eval()
    with torch.no_grad():
        wanted = algorithm.ema_model((images - mean) / std)["logits"].argmax(dim=1)
    assert found.pseudo_label.tolist() == wanted.tolist()
    assert found.true_label.tolist() == np.asarray(data.targets).tolist()
    assert np.allclose(found.weight, np.linspace(0, 2, 20))
    assert "train_ulb_plain" not in algorithm.dataset_dict
    assert data.is_ulb and data.alg == "fixmatch"


def test_classes_that_nobody_knows_are_minus_one(algorithm: Any) -> None:
    algorithm.dataset_dict["train_ulb"].targets = None
    found = weights_table(algorithm)
    assert found is not None and found.true_label.tolist() == [-1] * 20
    assert found.auroc() is None and list(found.by_correctness()) == ["class unknown"]


def test_a_run_without_weights_has_no_table(algorithm: Any) -> None:
    del algorithm.hooks_dict["InfluenceWeightingHook"]
    assert weights_table(algorithm) is None


def test_right_and_wrong_and_their_auroc_by_counting_pairs() -> None:
    found = table([0.5, 2.0, 1.0, 0.5, 0.1], [0, 1, 2, 2, 1], [0, 1, 0, 1, -1])
    parts = {name: values.tolist() for name, values in found.by_correctness().items()}
    assert parts["right"] == [0.5, 2.0] and parts["wrong"] == [1.0, 0.5]
    assert parts["class unknown"] == pytest.approx([0.1])
    # pairs (right, wrong): 0.5 < 1, 0.5 = 0.5, 2 > 1, 2 > 0.5
    assert found.auroc() == pytest.approx((0 + 0.5 + 1 + 1) / 4)
    assert table([1, 2], [0, 1], [0, 1]).auroc() is None
    assert table([1, 2], [0, 1], [1, 0]).auroc() is None


def test_the_file_says_which_examples_it_means(tmp_path: Path) -> None:
    args = SimpleNamespace(
        dataset="moons",
        label_split="per_class",
        label_seed=3,
        num_labels=10,
        include_lb_to_ulb=False,
    )
    save_weights(table([0.5, 2.0], [0, 1], [0, -1]), args, tmp_path / "weights.npz")
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as file:
        found = {name: file[name].tolist() for name in file.files}
    assert found == {
        "index": [0, 1], "weight": [0.5, 2.0], "pseudo_label": [0, 1], "true_label": [0, -1],
        "dataset": "moons", "n": 2, "label_split": "per_class", "label_seed": 3, "num_labels": 10,
        "include_lb_to_ulb": False,
    }  # fmt: skip
    assert [p.name for p in tmp_path.iterdir()] == ["weights.npz"]
