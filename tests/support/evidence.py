"""Run folders with the files that a finished run leaves, written without training."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from usb_ext.settings import load_settings, resolved_yaml
from usb_ext.settings.algorithms import ALGORITHMS, base_of, parts_of

VIT: dict[str, Any] = {
    "algorithm": "layermatch", "dataset": "cifar10", "num_classes": 10, "num_labels": 40,
    "net": "vit_tiny_patch2_32", "use_pretrain": True, "num_train_iter": 204800, "batch_size": 8,
    "uratio": 1, "optim": "AdamW", "lr": 5e-4, "layer_decay": 0.5, "weight_decay": 5e-4,
    "ema_m": 0.0, "ema_p": 0.999, "use_quantile": False, "clip_thresh": False,
}  # fmt: skip
"""LayerMatch, Table 6, for CIFAR-10."""


def fake_run(
    folder: Path,
    top1: float | None = 0.5,
    record: dict[str, Any] | None = None,
    rows: Sequence[dict[str, float]] = (),
    **changed: Any,
) -> Path:
    """A run's folder: `config.yaml`, `result.json` and `metrics.jsonl`.

    Args:
        folder: to be made.
        top1: accuracy of the last weights in [0, 1].
        record: values of `result.json` that are not those of a finished run of these settings.
        rows: rows of `metrics.jsonl`.
        **changed: settings other than `VIT`'s.
    """
    settings = load_settings({**VIT, **changed}).settings
    asked = parts_of(settings.algorithm, settings.extensions)
    parts = [part for part in asked if getattr(settings, part, None) is not False]
    own_step = settings.algorithm in ("fixmatch", "freematch", "flexmatch", "uda")
    base = base_of(settings.algorithm) if settings.algorithm in ALGORITHMS or own_step else None
    content = {
        "status": "completed", "algorithm": settings.algorithm, "base": base, "extensions": parts,
        "dataset": settings.dataset, "num_labels": settings.num_labels, "seed": settings.seed,
        "top1_last": top1, "top1_best": 0.9, "top1_median20": 0.25, "f1_last": 0.4,
        "test_top1_last": None, "test_top1_best": None,
    }  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(resolved_yaml(settings))
    (folder / "result.json").write_text(json.dumps({**content, **(record or {})}))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def layermatch_runs(folder: Path) -> Path:
    """LayerMatch on CIFAR-10 with 40 labels: 90, 92 and 97%; FixMatch: 50%, shorter."""
    for seed, top1 in enumerate((0.9, 0.92, 0.97)):
        fake_run(folder / f"lm{seed}", top1, seed=seed)
    fake_run(folder / "fm", 0.5, algorithm="fixmatch", num_train_iter=100)
    return folder
