"""USB prints; a run's words belong in its log.

USB's TensorBoard log is made only where it is asked for. Its own loop stands here untouched, to be measured
against: class, hooks, loaders and `train`.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

from usb_ext.upstream._loaded import semilearn  # noqa: F401  (imports semilearn through the bridges)

# isort: split

from semilearn.core.utils import TBLog

from usb_ext.upstream.running import Datasets, Running, ScalarLog, served
from usb_ext.upstream.usb import AlgorithmBase

# isort: split

_log = logging.getLogger("usb_ext.usb")


class _LineLog(io.TextIOBase):
    """A stream whose whole lines become log records."""

    def __init__(self) -> None:
        self.pending = ""

    def write(self, text: str) -> int:
        *lines, self.pending = (self.pending + text).split("\n")
        for line in lines:
            if line.strip():
                _log.debug("%s", line.rstrip())
        return len(text)

    def finish(self) -> None:
        """Log what was printed after the last line's end."""
        self.write("\n")


class UsbLogger:
    """The logger that USB's classes are given: what they say is detail."""

    @staticmethod
    def info(message: object) -> None:
        """Log a message of USB's."""
        _log.debug("%s", message)


@contextlib.contextmanager
def printed_to_log() -> Iterator[None]:
    """Inside, what is printed goes to the log, and torch's deprecation notes to USB are dropped."""
    stream = _LineLog()
    with contextlib.redirect_stdout(stream), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", message=".*GradScaler is enabled, but CUDA.*")
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        warnings.filterwarnings("ignore", message=".*is ill-defined and being set to 0.0")
        try:
            yield
        finally:
            stream.finish()


def tensorboard_log(folder: Path) -> ScalarLog:
    """A TBLog that writes to `folder/tensorboard`."""
    log: ScalarLog = TBLog(str(folder), "tensorboard", use_tensorboard=True)
    return log


def unmodified(algorithm: type[AlgorithmBase], datasets: Datasets) -> type[AlgorithmBase]:
    """USB's class with nothing replaced but where its data sets come from.

    Args:
        algorithm: a class of USB's registry.
        datasets: what its `set_dataset` shall give.
    """

    def set_dataset(self: Running) -> Datasets:
        self.args.ulb_dest_len = len(served(datasets, "train_ulb"))
        self.args.lb_dest_len = len(served(datasets, "train_lb"))
        return datasets

    return type(f"Unmodified{algorithm.__name__}", (algorithm,), {"set_dataset": set_dataset})


KERNEL_CHOICES = ("foreach", "fused", "capturable", "differentiable")
