"""Steps of a run by several processes beside the same steps by one, in double precision."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from support.built import built
from usb_ext.core.processes import ALONE, entered, of_all, world
from usb_ext.data import arrays, fingerprint, model_file, sets
from usb_ext.data.prior_file import Prior, write_prior
from usb_ext.training import train
from usb_ext.training.warm_up import warm_up


def make_fast() -> None:
    """Read the digits once, and write no settings: many algorithms are built in one process."""
    once: Any = cache(arrays.load_digits_arrays)
    for where in (fingerprint, model_file, sets):
        where.load_digits_arrays = once  # type: ignore[attr-defined]
    train._write_settings = lambda *_: None


def double(algorithm: Any) -> Any:
    """The algorithm with networks and inputs in float64, its hooks started on them."""
    for network in (algorithm.model, algorithm.ema_model):
        network.double()
        network.register_forward_pre_hook(lambda _, given: (given[0].double(),))
    algorithm.start_hooks()
    return algorithm


def stepped(folder: Path, steps: int, **changed: Any) -> dict[str, torch.Tensor]:
    """Weights, averages, buffers, what hooks keep, and the last losses after some steps."""
    algorithm = double(built(folder, **changed))
    warm_up(algorithm)
    algorithm.model.train()
    batches = algorithm.batches()
    for _ in range(steps):
        algorithm.one_step(batches)
    found = {f"model.{k}": v.clone() for k, v in algorithm.model.state_dict().items()}
    found |= {f"ema.{k}": v.clone() for k, v in algorithm.ema_model.state_dict().items()}
    logs = {k: torch.as_tensor(v).double() for k, v in algorithm.log_dict.items() if k != "lr"}
    for name, hook in algorithm.hooks_dict.items():
        kept = {k: v for k, v in vars(hook).items() if isinstance(v, torch.Tensor)}
        found |= {f"{name}.{k}": v.double() for k, v in kept.items()}
    rough = "train/influence_residual"  # what conjugate gradients leave is rounding alone
    return found | {k: v for k, v in logs.items() if k.startswith("train/") and k != rough}


def prior_of_digits(path: Path) -> str:
    """A prior of the 1,297 training digits: votes for two classes, and for a third of the images none."""
    votes = np.random.default_rng(5).multinomial(2, [0.1] * 10, size=1297).astype(np.float32)
    votes[::3] = 0
    write_prior(path, Prior(votes / 2, np.arange(1297), tuple(map(str, range(10))), "digits"))
    return str(path)


def gap(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> tuple[float, str]:
    """The largest difference, relative to the largest number of its tensor above 1, and where it is."""
    assert left.keys() == right.keys(), left.keys() ^ right.keys()
    worst = (0.0, "")
    for name, value in left.items():
        other = right[name].double()
        scale = max(1.0, float(value.double().abs().max()) if value.numel() else 1.0)
        off = float((value.double() - other).abs().max()) / scale if value.numel() else 0.0
        worst = max(worst, (off if off == off else float("inf"), name))
    return worst


def compared(
    folder: str, cases: list[tuple[str, dict[str, Any]]], steps: int = 2
) -> dict[str, tuple[float, str, float]]:
    """Of each case the gap between the steps of all processes and those of one alone, and the share used."""
    here, own, found = world(), dict[str, tuple[float, str, float]](), Path(folder)
    make_fast()
    found.mkdir(exist_ok=True)
    prior = prior_of_digits(found / f"prior{here.rank}.npz")
    for number, (name, given) in enumerate(cases):
        changed = {**given, "prior_file": prior} if "prior_until" in given else given
        shared = stepped(found / f"shared{number}", steps, **changed)
        if number % here.size == here.rank:
            with entered(ALONE):
                alone = stepped(found / f"alone{number}", steps, **changed)
            used = float(alone.get("train/util_ratio", torch.ones(())))
            own[name] = (*gap(alone, shared), used)
    return {k: v for each in of_all(own) for k, v in each.items()}
