"""Training on a patched tree, without usb_ext: `python patch_runs.py TREE OUT` writes what came out as JSON.

Every algorithm takes a step, is evaluated, saved and loaded on the CPU. FixMatch and the new algorithms train
through USB's own way in (`get_config`, `get_algorithm`, `train`) on synthetic images in the place of
CIFAR-10, and once more in two parts.
"""

import contextlib
import io
import json
import sys
import tempfile
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import patch_checks
import torch
import torchvision
from patch_world import (
    SAME,
    build,
    enter,
    failure,
    images,
    prior_table,
    seed_all,
    traced,
    usb,
    wide_net,
)

NEW = sorted({name for name, _ in SAME.values()})
ON_FIXMATCH = "abc adsh cossl crest crest+ darp daso debiaspl saw tras".split()
OWN = {
    "dash": {"num_wu_iter": 1, "rho_min": 100.0},
    "cossl": {"cossl_warm_epoch": 0, "cossl_tfe_warm_bs": 4, "num_eval_iter": 1},
    "darp": {"darp_warmup_epochs": -1},
    "tras": {"tras_warmup_epochs": 0},
    "influence": {"influence_num_val": 4, "influence_every": 1},
}


THEIRS = {
    "layermatch": {},
    "influence": {"influence_num_val": 4, "influence_every": 2, "p_cutoff": 0.3},
    "as3l": {"p_cutoff": 0.3, "prior_until": 4},
}
"""Settings of short runs; the others have FixMatch's."""


def every_algorithm(folder: Path) -> dict[str, str]:
    """What went wrong in a step, an evaluation, a checkpoint or its loading, by algorithm."""
    plain = sorted(usb("core.utils").ALGORITHMS.keys())
    pairs = [*((n, None) for n in plain), *(("fixmatch", n) for n in ON_FIXMATCH)]
    said = {}
    for name, imbalanced in pairs:
        error = failure(_one_step, folder / (imbalanced or name), name, imbalanced)
        said[imbalanced or name] = "" if error is None else f"{type(error).__name__}: {error}"
    return said


def _one_step(folder: Path, name: str, imbalanced: str | None) -> None:
    own = OWN.get(imbalanced or name, {})
    run = build(name, imbalanced, flat=False, num_train_iter=1, save_dir=str(folder), **own)
    for kind in ("model", "ema_model"):
        network = usb("core.utils").send_model_cuda(run.args, getattr(run, kind), clip_batch=False)
        setattr(run, kind, network)
    run.epoch, run.gen, run.cur_dist_align_t = 0, 0, 1.0  # CReST's loop sets the last two
    if name == "dash":
        run.warmup()
    run.call_hook("before_run")
    run.call_hook("before_train_epoch")
    run.call_hook("before_train_step")
    entries = {
        **next(iter(run.loader_dict["train_lb"])),
        **next(iter(run.loader_dict["train_ulb"])),
    }
    rotated = {"x_ulb_rot": entries.get("x_ulb_w"), "rot_v": entries.get("y_lb")}
    extra = rotated if name == "crmatch" else {}
    run.out_dict, run.log_dict = run.train_step(**run.process_batch(**entries, **extra))
    run.call_hook("after_train_step")
    assert np.isfinite(run.log_dict["train/sup_loss"])
    run.load_model(str(folder / "run" / "latest_model.pth"))


def train_and_resume(name: str, folder: Path) -> dict[str, Any]:
    """Losses of a run, and whether one that was killed and resumed ended with the same bits."""
    config = {
        "algorithm": name, "dataset": "cifar10", "num_classes": 4, "num_labels": 8, "epoch": 2,
        "num_train_iter": 6, "num_eval_iter": 5, "num_log_iter": 1, "batch_size": 4, "uratio": 2,
        "num_workers": 0, "save_dir": str(folder), "data_dir": str(folder), "seed": 3, "ema_m": 0.5,
        "distributed": False, **THEIRS.get(name, {"p_cutoff": 0.3}),
    }  # fmt: skip
    if name == "as3l":
        config["prior_file"] = str(folder / "prior.npy")
    straight = _run(config, None, "straight")
    _run(config, 6, "broken")
    resumed = _run({**config, "resume": True}, None, "broken", load=True)
    return {
        "losses": [row["train/total_loss"] for row in straight.rows],
        "selected": [row["train/util_ratio"] for row in straight.rows],
        "hooks": _same_state(straight, resumed),
        "weights": patch_checks.same(straight, resumed, 6),
    }


def _run(config: dict[str, Any], killed: int | None, part: str, load: bool = False) -> Any:
    args = usb("lighting").get_config({**config, "save_name": f"{config['algorithm']}_{part}"})
    seed_all(args.seed)
    run = usb("algorithms").get_algorithm(args, wide_net, None, mock.Mock())
    run.model, run.ema_model = (
        usb("core.utils").send_model_cuda(args, network) for network in (run.model, run.ema_model)
    )
    run.rows = []

    class Rows(usb("core.hooks").Hook):  # type: ignore[misc]
        def after_train_step(self, algorithm: Any) -> None:
            algorithm.rows.append(dict(algorithm.log_dict))

    run.register_hook(Rows(), "Rows", "LOWEST")
    if load:
        seed_all(77)
        run.load_model(f"{args.save_dir}/{args.save_name}/latest_model.pth")
    return patch_checks.trained(run, killed)


def _same_state(one: Any, other: Any) -> bool:
    """Whether the hooks of two runs hold the same numbers."""

    def flat(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [x for key in sorted(value) for x in (key, *flat(value[key]))]
        return value.flatten().tolist() if isinstance(value, torch.Tensor) else [value]

    states = [flat({n: h.state_dict() for n, h in run.hooks_dict.items()}) for run in (one, other)]
    return states[0] == states[1]


class Cifar10(SimpleNamespace):
    """In the place of torchvision's: images of four colours."""

    def __init__(self, root: str, train: bool, download: bool) -> None:
        data, targets = images(1 if train else 2, 12 if train else 4)
        super().__init__(data=data, targets=targets.tolist())


def report(tree: Path, folder: Path) -> dict[str, Any]:
    """All that the tests ask for."""
    error = enter(tree)
    np.save(folder / "prior.npy", prior_table(48))
    prior = {"prior_file": str(folder / "prior.npy")}
    OWN["as3l"] = prior
    data = {"as3l": prior, "influence": {"influence_num_val": 4}}
    with mock.patch.object(torchvision.datasets, "CIFAR10", Cifar10):
        trained = {name: train_and_resume(name, folder) for name in ("fixmatch", *NEW)}
    return {
        "import": str(error or ""),
        "algorithms": every_algorithm(folder),
        "trained": trained,
        "same": {
            case: traced(build(name, **changed, **data.get(name, {})))
            for case, (name, changed) in SAME.items()
        },
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    with (
        tempfile.TemporaryDirectory() as place,
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        Path(sys.argv[2]).write_text(json.dumps(report(Path(sys.argv[1]), Path(place))))
