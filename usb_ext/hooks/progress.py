"""What a person sees while a run goes on: a live bar on a terminal, plain lines elsewhere."""

import logging
import sys
from typing import Any, TextIO

from tqdm import tqdm


class Progress:
    """A tqdm bar with loss, accuracy, images a second and time left; or log lines.

    Args:
        kind: `auto` (a bar if `stream` is a terminal), `bar`, `lines` or `off`.
        logger: where lines go.
        stream: where the bar is drawn.
    """

    def __init__(self, kind: str, logger: logging.Logger, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.bar_wanted = kind == "bar" or (kind == "auto" and self.stream.isatty())
        self.silent = kind == "off"
        self.logger = logger
        self.bar: Any = None
        self.images_per_step = 1
        self.started = False

    def _start(self, done: int, total: int) -> None:
        """Begin at step `done` of `total`, which a resumed run knows only now."""
        self.started = True
        if self.bar_wanted:
            self.bar = tqdm(total=total, initial=done, file=self.stream, unit="it", smoothing=0.1)

    def step(self, algorithm: Any, due: bool) -> None:
        """One step done; `due` says that the log holds floats."""
        if not self.started:
            self._start(algorithm.it, algorithm.num_train_iter)
        if self.bar is not None:
            if due:
                self.bar.set_postfix_str(self._state(algorithm, self._rate()))
            self.bar.update(1)
        if due and not self.silent:
            level = logging.DEBUG if self.bar is not None else logging.INFO
            step = f"step {algorithm.it + 1}/{algorithm.num_train_iter}"
            self.logger.log(level, "%s  %s", step, self._state(algorithm, None))

    def _rate(self) -> float | None:
        rate = self.bar.format_dict["rate"]
        return None if rate is None else rate * self.images_per_step

    @staticmethod
    def _state(algorithm: Any, images_per_second: float | None) -> str:
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
        return "  ".join(parts)

    def stop(self) -> None:
        """Close the bar, leaving it on the screen; a further step begins a new one."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
            self.started = False
