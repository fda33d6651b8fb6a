"""Two gloo processes train each new algorithm: `python patch_processes.py TREE` prints what came of it.

`same`: parameters, averages and the tensors of its hooks are equal in both processes to the bit after three
steps on different halves of the data; else what differs, or the error's sentence.
"""

import contextlib
import io
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from patch_world import build, enter, failure, prior_table, seed_all, usb

NEW = ("as3l", "influence", "layermatch", "smoothfixmatch")
WORLD = 2


def work(rank: int, tree: str, place: str) -> None:
    """One of the processes; writes what it holds after its steps."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    enter(Path(tree))
    dist.init_process_group("gloo", init_method=f"file://{place}/meet", rank=rank, world_size=WORLD)
    for name in NEW:
        with contextlib.redirect_stdout(io.StringIO()):
            error = failure(_train, name, rank, place)
        if error is not None:
            (Path(place) / f"{name}-{rank}.txt").write_text(f"{type(error).__name__}: {error}")
    dist.barrier()


def _train(name: str, rank: int, place: str) -> None:
    own = {"as3l": {"prior_file": f"{place}/prior.npy"}, "influence": {"influence_num_val": 4}}
    seed_all(0)
    run = build(
        name, num_train_iter=3, distributed=True, world_size=WORLD, rank=rank, p_cutoff=0.3,
        save_dir=place, save_name=f"{name}-{rank}", **own.get(name, {}),
    )  # fmt: skip
    for kind in ("model", "ema_model"):
        send = usb("core.utils").send_model_cuda
        setattr(run, kind, send(run.args, getattr(run, kind), clip_batch=False))
    seed_all(1 + rank)
    run.hooks_dict["EvaluationHook"].after_run = lambda _: None
    run.train()
    held = {"model": run.model.state_dict(), "averages": run.ema.shadow}
    for title, hook in run.hooks_dict.items():
        tables = {key: x for key, x in vars(hook).items() if isinstance(x, torch.Tensor)}
        held[title] = tables
    if name == "layermatch":
        held["averaged head"] = run.hooks_dict["AvgClusteringHook"].averaged()
    torch.save(held, f"{place}/{name}-{rank}.pt")


def compared(place: Path, name: str) -> str:
    """What two processes' files say of an algorithm."""
    errors = sorted(place.glob(f"{name}-*.txt"))
    if errors:
        return errors[0].read_text()
    first, second = (torch.load(place / f"{name}-{rank}.pt") for rank in range(WORLD))
    parts = [
        (f"{part} {key}", value, second[part][key])
        for part, values in first.items()
        for key, value in values.items()
        if "running_" not in key  # batch-norm statistics are each process's own
    ]
    wrong = [title for title, one, other in parts if not torch.equal(one, other)]
    return f"differs: {', '.join(wrong[:3])}" if wrong else "same"


def main(tree: str) -> dict[str, Any]:
    """By algorithm what came of it."""
    with tempfile.TemporaryDirectory() as place:
        np.save(Path(place) / "prior.npy", prior_table(48))
        torch.multiprocessing.spawn(work, args=(tree, place), nprocs=WORLD)
        return {name: compared(Path(place), name) for name in NEW}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.stdout.write(json.dumps(main(sys.argv[1])))
