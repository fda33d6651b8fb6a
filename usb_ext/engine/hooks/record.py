"""RecordHook: `metrics.jsonl`, the log, TensorBoard and the progress display.

The values of a step are read from the device only when they are due (`num_log_iter`). On resume the
file is cut back to where it stood at the checkpoint, so that a run that was killed leaves the same
metrics as one that was not.

What a person sees while a run goes on: a live bar on a terminal, plain lines elsewhere.
"""

import json
import logging
import os
import shutil
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from usb_ext.core.errors import from_os_error
from usb_ext.core.files import cut_lines, file_crc32, replace_file
from usb_ext.core.processes import of_all, world
from usb_ext.core.runtime import Screen
from usb_ext.engine.hooks.score import HELD_OUT
from usb_ext.engine.hooks.update import whole_loss
from usb_ext.upstream.running import OnEngine, State, StepLog
from usb_ext.upstream.usb import Hook

_log = logging.getLogger(__name__)


LONGEST = 30.0
"""ours: seconds without a line after which there is one, where no bar is shown."""

BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {elapsed}<{remaining}{postfix}"
_FIXED = len("100%|123456| / 9:59:59<9:59:59, ")
_LEAST_FIRST = ("used", "img/s", "best", "top1", "loss")


def columns() -> int:
    """Width of the terminal that stderr is; 80 where it does not tell."""
    try:
        found = int(os.environ.get("COLUMNS", "0"))
        return found or os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80


def fitting(parts: list[str], room: int) -> str:
    """Parts of a bar's text, without the least important ones where there is no room for all.

    Args:
        parts: such as `loss 0.123`.
        room: characters.
    """
    kept = list(parts)
    for word in _LEAST_FIRST:
        if len("  ".join(kept)) <= room:
            break
        kept = [part for part in kept if word not in part]
    return "  ".join(kept)


class Progress:
    """A tqdm bar with loss, accuracy, images a second and time left; or log lines with steps a second too.

    Where there is no bar, a line comes every `LONGEST` seconds at least, as far as steps end.

    Args:
        kind: `auto` (a bar if `stream` is a terminal), `bar`, `lines` or `off`.
        logger: where lines go.
        stream: where the bar is drawn, text or a `runtime.Screen`.
    """

    def __init__(self, kind: str, logger: logging.Logger, stream: Screen | None = None) -> None:
        self.stream = stream or sys.stderr
        self.bar_wanted = kind == "bar" or (kind == "auto" and self.stream.isatty())
        self.silent = kind == "off"
        self.logger = logger
        self.bar: Any = None  # tqdm's, which declares no types
        self.images_per_step = 1
        self.started = False
        self.said = 0, time.monotonic()

    def _start(self, done: int, total: int) -> None:
        """Begin at step `done` of `total`, which a resumed run knows only now."""
        self.started = True
        self.said = done + 1, time.monotonic()
        if self.bar_wanted:
            self.bar = tqdm(
                total=total,
                initial=done,
                file=self.stream,
                smoothing=0.1,
                ncols=columns(),
                bar_format=BAR,
            )

    def step(self, algorithm: OnEngine, due: bool) -> None:
        """One step done; `due` says that the log holds floats."""
        if not self.started:
            self._start(algorithm.it, algorithm.num_train_iter)
        if self.bar is not None:
            if due:
                self.bar.ncols = columns()
                room = self.bar.ncols - _FIXED - 2 * len(str(algorithm.num_train_iter))
                self.bar.set_postfix_str(fitting(self._state(algorithm, self._rate()), room))
            self.bar.update(1)
        late = self.bar is None and time.monotonic() - self.said[1] >= LONGEST
        if (due or late) and not self.silent:
            self._say(algorithm, due)

    def _say(self, algorithm: OnEngine, due: bool) -> None:
        """A line; the values of a step that is not due are on the device, and stay there."""
        done, total, now = algorithm.it + 1, algorithm.num_train_iter, time.monotonic()
        parts = [f"step {done}/{total}", *(self._state(algorithm, None) if due else [])]
        steps, seconds = done - self.said[0], now - self.said[1]
        if steps > 0 and seconds > 0:
            left = tqdm.format_interval((total - done) * seconds / steps)
            parts.append(f"{steps / seconds:.3g} it/s  {left} left")
        self.said = done, now
        level = logging.DEBUG if self.bar is not None else logging.INFO
        self.logger.log(level, "%s", "  ".join(parts))

    def _rate(self) -> float | None:
        rate = self.bar.format_dict["rate"]
        return None if rate is None else rate * self.images_per_step

    @staticmethod
    def _state(algorithm: OnEngine, images_per_second: float | None) -> list[str]:
        log = algorithm.log_dict
        parts = [f"loss {log['train/total_loss']:.3f}"] if "train/total_loss" in log else []
        if "train/util_ratio" in log:
            parts.append(f"used {log['train/util_ratio']:.2f}")
        if "eval/top-1-acc" in log:
            parts.append(f"top1 {log['eval/top-1-acc']:.4f}")
        if algorithm.best_eval_acc:
            parts.append(f"best {algorithm.best_eval_acc:.4f}")
        if images_per_second:
            parts.append(f"{images_per_second:.0f} img/s")
        return parts

    def stop(self) -> None:
        """Close the bar, leaving it on the screen; a further step begins a new one."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
            self.started = False


def readable(log: StepLog) -> dict[str, float]:
    """Log values as floats; tensors of shape () are read from the device in one transfer."""
    tensors = {k: v for k, v in log.items() if isinstance(v, torch.Tensor)}
    plain = {k: float(v) for k, v in log.items() if k not in tensors}
    if tensors:
        stacked = torch.stack([v.detach().float() for v in tensors.values()]).tolist()
        plain.update(zip(tensors, stacked, strict=True))
    return {k: plain[k] for k in log}


def mean_of_all(log: dict[str, float]) -> dict[str, float]:
    """The mean over processes of each value: of losses that are means over the processes' shares."""
    if world().size == 1:
        return log
    every = of_all(log)
    return {k: sum(each[k] for each in every) / len(every) for k in log}


class RecordHook(Hook):
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
        self.anew = False
        self.crc = 0

    @property
    def seconds(self) -> float:
        """Seconds trained, over all sittings."""
        return self.seconds_before + time.perf_counter() - self.started

    def before_run(self, algorithm: OnEngine) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def after_train_step(self, algorithm: OnEngine) -> None:
        """Write the step if it is due."""
        evaluated = not {"eval/top-1-acc", f"{HELD_OUT}/top-1-acc"}.isdisjoint(algorithm.log_dict)
        due = evaluated or self.every_n_iters(algorithm, algorithm.num_log_iter)
        if due:
            algorithm.log_dict["lr"] = algorithm.optimizer.param_groups[-1]["lr"]
            values = readable(algorithm.log_dict)
            algorithm.log_dict = {**(values if whole_loss(algorithm) else mean_of_all(values))}
            if world().first:
                self._write(algorithm)
        self.progress.step(algorithm, due)

    def _write(self, algorithm: OnEngine) -> None:
        row = {"it": algorithm.it + 1, "time": round(self.seconds, 3), **algorithm.log_dict}
        line = json.dumps(row) + "\n"
        try:
            with self.path.open("w" if self.anew else "a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise from_os_error(error, f"{self.path} could not be written") from error
        self.crc = zlib.crc32(line.encode(), 0 if self.anew else self.crc)
        self.anew = False
        if algorithm.tb_log is not None:
            algorithm.tb_log.update(algorithm.log_dict, algorithm.it)

    def after_run(self, algorithm: OnEngine) -> None:
        """Close the display."""
        self.progress.stop()

    def on_stop(self, algorithm: OnEngine) -> None:
        """Close the display of a run that was asked to stop."""
        self.progress.stop()

    def restart(self, algorithm: OnEngine, name: str) -> None:
        """Before training starts from step 0 again: the rows so far become `metrics_NAME.jsonl`."""
        self.progress.stop()
        if self.path.exists() and world().first:
            copy = self.path.with_name(f"{self.path.stem}_{name}{self.path.suffix}")
            replace_file(copy, lambda part: shutil.copyfile(self.path, part))
            self.anew = True

    def state_dict(self) -> State:
        """Length of the metrics file (bytes), its CRC-32, and seconds trained."""
        size = self.path.stat().st_size if self.path.exists() and not self.anew else 0
        return {"bytes": size, "crc": 0 if self.anew else self.crc, "seconds": self.seconds}

    def load_state_dict(self, state: State) -> None:
        """Cut the file back to where it stood and go on counting."""
        self.seconds_before = state["seconds"]
        if not world().first:
            return
        cut_lines(self.path, state["bytes"])
        self.crc = file_crc32(self.path)
        if self.crc != state.get("crc", self.crc):  # a checkpoint of an older version has none
            what = "is not what the run wrote" if self.path.exists() else "has not the rows from"
            _log.warning(
                "%s %s before the checkpoint; the curves hang on it, weights and scores do not",
                *(self.path, what),
            )
