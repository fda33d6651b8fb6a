"""Every algorithm of a tree steps and resumes: `python patch_resume.py TREE [--json]` prints the table.

A run of 6 steps in two epochs is compared, bit for bit, with one that was killed after its checkpoint of
step 4 and went on in a fresh object: weights and averages.
CReST is killed in its second generation. Synthetic images, WRN-10-1, the CPU, no workers.
"""

import contextlib
import io
import json
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import patch_checks
import torch
from patch_runs import ON_FIXMATCH, OWN
from patch_world import build, datasets, enter, failure, prior_table, seed_all, usb, wide_net

EXCEPTIONS = {"cossl": "draws the batches of its teacher afresh, from loaders of torch's own"}
"""Algorithms that go on, but need not end with the same bits, and why."""
STEPS, SAVED, KILLED = 6, 4, 5


class ThreeHeads(torch.nn.Module):
    """What MultiMatch expects: a list of logits from three heads on one body."""

    def __init__(self, args: Any) -> None:
        super().__init__()
        self.body = wide_net(args.num_classes)
        self.num_features = self.body.num_features
        self.heads = torch.nn.ModuleList(
            torch.nn.Linear(self.num_features, args.num_classes) for _ in range(args.num_heads)
        )

    def forward(self, x: torch.Tensor, **_: Any) -> dict[str, Any]:
        feat = self.body(x, only_feat=True)
        return {"logits": [head(feat) for head in self.heads], "feat": feat}


def table(tree: Path, folder: Path) -> dict[str, str]:
    """By algorithm: `same`, what a resumed run does else, or the error."""
    enter(tree)
    import numpy as np

    np.save(folder / "prior.npy", prior_table(48))
    OWN["as3l"] = {"prior_file": str(folder / "prior.npy")}
    OWN["crest"] = OWN["crest+"] = {"crest_num_gens": 2}
    plain = sorted(usb("core.utils").ALGORITHMS.keys())
    found = {name: (name, None) for name in plain}
    found |= {name: ("fixmatch", name) for name in ON_FIXMATCH}
    return {key: _row(folder / key, *pair) for key, pair in found.items()}


def _row(folder: Path, name: str, imbalanced: str | None) -> str:
    said: list[str] = []
    crest = usb("imb_algorithms.crest.crest")  # makes its data anew for every generation

    def get_dataset(*_: Any, **__: Any) -> dict[str, Any]:
        return datasets(name)

    with mock.patch.object(crest, "get_dataset", get_dataset):
        error = failure(lambda: said.append(_resumed(folder, name, imbalanced)))
    return said[0] if error is None else f"{type(error).__name__}: {error}"[:160]


def _resumed(folder: Path, name: str, imbalanced: str | None) -> str:
    def made(part: str, **changed: Any) -> Any:
        own = {**OWN.get(imbalanced or name, {}), "num_eval_iter": SAVED}
        own.pop("num_wu_iter", None)
        run = build(
            name, imbalanced, flat=False, net_builder=ThreeHeads if name == "multimatch" else None,
            num_train_iter=STEPS, epoch=2, save_dir=str(folder), save_name=part, lr=0.05,
            p_cutoff=0.3, **own, **changed,
        )  # fmt: skip
        for kind in ("model", "ema_model"):
            send = usb("core.utils").send_model_cuda
            setattr(run, kind, send(run.args, getattr(run, kind), clip_batch=False))
        return run

    straight = patch_checks.trained(_warm(made("straight")))
    patch_checks.trained(_warm(made("broken")), KILLED)
    second = made("broken", resume=True)
    seed_all(99)
    second.load_model(str(folder / "broken" / "latest_model.pth"))
    if second.it != SAVED:
        return f"saved at {SAVED}, loaded at {second.it}"
    patch_checks.trained(second)
    ended = 0 if hasattr(straight, "gen") else STEPS  # CReST counts anew after a generation
    return "same" if patch_checks.same(straight, second, ended) else "differs"


def _warm(run: Any) -> Any:
    if hasattr(run, "warmup"):
        run.num_wu_iter = 1
        run.warmup()
    return run


def main(words: list[str]) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    with (
        tempfile.TemporaryDirectory() as place,
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
        mock.patch.dict(sys.modules),
    ):
        warnings.simplefilter("ignore")
        rows = table(Path(words[0]), Path(place))
    if "--json" in words:
        sys.stdout.write(json.dumps(rows))
        return
    for name, said in rows.items():
        note = f" (exception: {EXCEPTIONS[name]})" if name in EXCEPTIONS else ""
        sys.stdout.write(f"{name:16s} {said}{note}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
