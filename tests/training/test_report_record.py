"""What `result.json` says of the method and of the images held out."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from support.run import run

import usb_ext
from usb_ext.data.arrays import load_digits_arrays

LEARNED = {
    "algorithm": "influence_fixmatch", "num_val": 40, "influence_every": 2, "influence_lr": 0.5,
    "influence_val_batch": 8, "lr": 0.1,
}  # fmt: skip


def test_a_run_with_learned_weights(tmp_path: Path) -> None:
    """The accuracy on the images held out is recomputed from the saved network and the pixels."""
    result = run(tmp_path, **LEARNED)
    assert result is not None
    assert (result.influence_every, result.influence_lr, result.prior_until) == (2, 0.5, None)
    assert (result.selection, result.self_supervised, result.made_from) == ("per_class", None, {})
    found = usb_ext.load_run(tmp_path / "run")
    arrays = load_digits_arrays(16)
    held_out = json.loads((tmp_path / "run" / "validation.json").read_text())
    images = torch.as_tensor(np.asarray(arrays.train_images[held_out])).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(v)[:, None, None] for v in (arrays.mean, arrays.std))
    with torch.inference_mode():
        logits = found.network((images - mean) / std)["logits"]
    right = logits.argmax(-1).numpy() == arrays.train_targets[held_out]
    assert len(held_out) == 40 and result.val_top1_last == pytest.approx(right.mean())


def test_a_run_on_a_choice_of_images(tmp_path: Path) -> None:
    first = run(tmp_path / "first")
    assert first is not None and first.val_top1_last is None and first.influence_lr is None
    positions = json.loads((tmp_path / "first" / "run" / "labelled.json").read_text())
    selected = tmp_path / "selected.json"
    selected.write_text(json.dumps({"ids": positions, "strategy": "usl", "seed": 3}))
    result = run(tmp_path, label_split="file", label_file=str(selected))
    assert result is not None and result.selection == "usl"
    origin = result.made_from["label_file"]
    assert origin["made_with"] == {"as3l_strategy": "usl", "seed": 3}
    metrics = [json.loads(r) for r in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert result.top5_last == metrics[-1]["eval/top-5-acc"] is not None
    assert result.top1_last is not None and result.top5_last >= result.top1_last
