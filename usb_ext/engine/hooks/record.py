"""RecordHook: `metrics.jsonl`, the log, TensorBoard and the progress display.

The values of a step are read from the device only when they are due (`num_log_iter`). On resume the
file is cut back to where it stood at the checkpoint, so that a run that was killed leaves the same
metrics as one that was not.
"""

import json
import time
from pathlib import Path
from typing import Any

import torch

from usb_ext.hooks.progress import Progress
from usb_ext.upstream.usb import Hook


def readable(log: dict[str, Any]) -> dict[str, float]:
    """Log values as floats; tensors of shape () are read from the device in one transfer."""
    names = [k for k, v in log.items() if isinstance(v, torch.Tensor)]
    plain = {k: float(v) for k, v in log.items() if k not in names}
    if names:
        stacked = torch.stack([log[k].detach().float() for k in names]).tolist()
        plain.update(zip(names, stacked, strict=True))
    return {k: plain[k] for k in log}


class RecordHook(Hook):  # type: ignore[misc]
    """Owns the metrics file's length and the seconds trained so far.

    Args:
        path: `metrics.jsonl`.
        progress: what shows the run to the person in front of it.
        images_per_step: images that go through the network a step, for the display.
    """

    def __init__(self, path: Path, progress: Progress, images_per_step: int) -> None:
        super().__init__()
        self.path = path
        self.progress = progress
        progress.images_per_step = images_per_step
        self.seconds_before = 0.0
        self.started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds trained, over all sittings."""
        return self.seconds_before + time.perf_counter() - self.started

    def before_run(self, algorithm: Any) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def after_train_step(self, algorithm: Any) -> None:
        """Write the step if it is due."""
        evaluated = "eval/top-1-acc" in algorithm.log_dict
        due = evaluated or self.every_n_iters(algorithm, algorithm.num_log_iter)
        if due:
            algorithm.log_dict["lr"] = algorithm.optimizer.param_groups[-1]["lr"]
            algorithm.log_dict = readable(algorithm.log_dict)
            self._write(algorithm)
        self.progress.step(algorithm, due)

    def _write(self, algorithm: Any) -> None:
        row = {"it": algorithm.it + 1, "time": round(self.seconds, 3), **algorithm.log_dict}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if algorithm.tb_log is not None:
            algorithm.tb_log.update(algorithm.log_dict, algorithm.it)

    def after_run(self, algorithm: Any) -> None:
        """Close the display."""
        self.progress.stop()

    def on_stop(self, algorithm: Any) -> None:
        """Close the display of a run that was asked to stop."""
        self.progress.stop()

    def restart(self, algorithm: Any, name: str) -> None:
        """Before training starts from step 0 again: the rows so far become `metrics_NAME.jsonl`."""
        self.progress.stop()
        if self.path.exists():
            self.path.replace(self.path.with_name(f"{self.path.stem}_{name}{self.path.suffix}"))

    def state_dict(self) -> dict[str, Any]:
        """Length of the metrics file (bytes) and seconds trained."""
        size = self.path.stat().st_size if self.path.exists() else 0
        return {"bytes": size, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Cut the file back to where it stood and go on counting."""
        self.seconds_before = state["seconds"]
        if self.path.exists():
            with self.path.open("rb+") as file:
                file.truncate(min(state["bytes"], self.path.stat().st_size))
