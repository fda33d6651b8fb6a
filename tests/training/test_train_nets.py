"""Networks of timm and torchvision in whole runs: trained by methods that need the head, opened, exported."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support.run import checkpoint_of, metrics_of, run

from usb_ext.data.arrays import load_digits_arrays
from usb_ext.engine.network import builder
from usb_ext.serving.export import ExportOrder, export_run
from usb_ext.settings import load_settings
from usb_ext.training.load import load_run

SHORT: dict[str, Any] = {
    "img_size": 32, "num_train_iter": 2, "epoch": 1, "num_eval_iter": 2, "uratio": 1, "batch_size": 3,
    "num_labels": 10, "p_cutoff": 0.0, "optim": "AdamW", "lr": 1e-3,
}  # fmt: skip
INFLUENCE = {"algorithm": "influence_fixmatch", "num_val": 10, "influence_every": 1,
             "influence_val_batch": 10}  # fmt: skip
RUNS: dict[str, dict[str, Any]] = {
    "timm/test_resnet": {"algorithm": "layermatch"},
    "timm/test_vit": {"algorithm": "freematch", "layer_decay": 0.75},
    "timm/test_efficientnet": INFLUENCE,
}
"""timm's own for tests, of 0.4 million weights."""

USUAL: dict[str, dict[str, Any]] = {
    "timm/resnet10t": {"algorithm": "layermatch"},
    "timm/convnext_atto": {"algorithm": "layermatch", "layer_decay": 0.75},
    "timm/vit_tiny_patch16_224": {"algorithm": "freematch", "layer_decay": 0.75},
    "timm/mobilenetv3_small_050": INFLUENCE,
    "torchvision/shufflenet_v2_x0_5": {"algorithm": "layermatch", "layer_decay": 0.9},
}


@pytest.mark.parametrize("net", [*RUNS, *(pytest.param(n, marks=pytest.mark.slow) for n in USUAL)])
def test_it_is_trained_and_opened_as_it_was_evaluated(tmp_path: Path, net: str) -> None:
    method = {**RUNS, **USUAL}[net]
    given = {"p_cutoff": None} if method["algorithm"] == "freematch" else {}
    result = run(tmp_path, **{**SHORT, **method, **given, "net": net})
    assert result is not None
    digits = load_digits_arrays(32)
    loaded = load_run(tmp_path / "run")
    inputs = torch.stack([loaded.transform(image) for image in digits.test_images])
    with torch.inference_mode():
        logits = torch.cat([loaded.network(part)["logits"] for part in inputs.split(120)])
    right = logits.argmax(dim=1) == torch.as_tensor(digits.test_targets)
    assert right.double().mean().item() == pytest.approx(result.top1_last)
    loss = F.cross_entropy(logits, torch.as_tensor(digits.test_targets)).item()
    assert loss == pytest.approx(metrics_of(tmp_path)[-1]["eval/loss"], rel=1e-4)
    torch.manual_seed(0)
    fresh = builder(load_settings(tmp_path / "run" / "config.yaml").settings)(num_classes=10)
    trained = checkpoint_of(tmp_path)["model"]
    moved = {k for k, v in fresh.named_parameters() if not torch.equal(v, trained[k])}
    assert {
        k for k, v in fresh.named_parameters() if any(v is p for p in fresh.classifier.parameters())
    } <= moved


LONGER = ("timm/resnet10t", "torchvision/shufflenet_v2_x0_5")


@pytest.mark.parametrize(
    "net", ["timm/test_resnet", *(pytest.param(n, marks=pytest.mark.slow) for n in LONGER)]
)
def test_an_export_agrees_with_it(tmp_path: Path, net: str) -> None:
    """torch's exporter follows the wrapper, hooks and all; an export that differs is not kept."""
    run(tmp_path, **{**SHORT, "algorithm": "fixmatch", "net": net})
    export_run(ExportOrder(tmp_path / "run", "torch", tmp_path / "net.pt2"))
    images = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    logits, _ = torch.export.load(tmp_path / "net.pt2").module()(images)
    loaded = load_run(tmp_path / "run")
    inputs = torch.stack([loaded.transform(image.numpy()) for image in images])
    with torch.inference_mode():
        torch.testing.assert_close(logits, loaded.network(inputs)["logits"], rtol=0, atol=1e-5)
