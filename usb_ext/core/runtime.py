"""Device, seeds and versions of a run.

The run's logger: everything into `log.txt`, the essentials to the person in front of it.

USB's `get_logger` takes over the root logger and adds a handler a call; this one leaves the root alone
and removes what it added. What is said before the run's folder is open is kept and written there later.
"""

import errno
import logging
import platform
import random
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from logging.handlers import MemoryHandler
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from tqdm import tqdm

from usb_ext._version import __version__
from usb_ext.core.errors import SettingsError
from usb_ext.core.processes import world

PACKAGES = ("torch", "torchvision", "semilearn", "numpy", "scikit-learn", "timm", "transformers")
CPU_INFO = Path("/proc/cpuinfo")


def resolve_device(name: str) -> torch.device:
    """The device a run uses.

    Args:
        name: `auto` (cuda, else mps, else cpu), `cpu`, `mps`, `cuda` or `cuda:N`; of several processes on a
            machine each has a GPU of its own.

    Returns:
        The device.

    Raises:
        SettingsError: if the device is not there.
    """
    if name == "auto":
        return _best_device()
    device = torch.device(name)
    if device.type == "cuda" and device.index is None and world().size > 1:
        device = torch.device("cuda", world().local)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SettingsError(f"device is {name!r}, but torch sees no CUDA device; use --device auto")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise SettingsError(f"device is {name!r}, but torch sees {count} CUDA device(s)")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise SettingsError(f"device is {name!r}, but torch sees no MPS device; use --device auto")
    return device


def _best_device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda", world().local)
    if torch.backends.mps.is_available() and world().size == 1:
        return torch.device("mps")
    return torch.device("cpu")


def check_precision(amp: str, device: torch.device) -> None:
    """Refuse a precision that the device does not have.

    Args:
        amp: `off`, `bf16` or `fp16`.
        device: where the run computes.

    Raises:
        SettingsError: for fp16 without CUDA, whose loss scaling needs it.
    """
    if amp == "fp16" and device.type != "cuda":
        raise SettingsError(
            f"amp is 'fp16', which needs a CUDA device, but the run is on {device}; "
            "use --amp bf16 or --amp off"
        )


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's global generators (all devices)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def limit_threads(number: int) -> None:
    """CPU threads of torch, faiss and NumPy's linear algebra from now on, `number` >= 1 each.

    Two threads on a core that others use as well are far slower than one.
    """
    import faiss  # noqa: F401  (its thread pool can be limited once it is loaded)
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(number)
    threadpool_limits(limits=number)


def device_name(device: torch.device) -> str:
    """What the hardware is called, for `result.json`: `cuda: NVIDIA H200`, `cpu: AMD EPYC, 2 threads`."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    if device.type == "cpu":
        return f"cpu: {_cpu_model()}, {torch.get_num_threads()} threads"
    return str(device)


def _cpu_model() -> str:
    """The processor's name; its kind where the system does not tell."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(filter(None, names), platform.machine())


def versions() -> dict[str, str]:
    """Versions of Python, usb_ext and the packages a result depends on."""
    found = {"python": platform.python_version(), "usb_ext": __version__}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "missing"
    return found


def commit() -> str | None:
    """The git commit of usb_ext's source, with `+changes` if it differs; None outside git."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    head = _git(root, "rev-parse", "HEAD")
    if head is None:
        return None
    return f"{head}+changes" if _git(root, "status", "--porcelain") else head


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


NAME = "usb_ext"
FORMAT = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S")
KEPT_RECORDS = 100_000


class Screen:
    """stderr as the person in front of the run sees it; it may go away while the run goes on.

    A display that is gone (`| head` has read enough, a terminal was closed) must not end a run before its
    checkpoint: nothing raises here, and `gone` is told, once.

    Args:
        gone: called when nobody reads any more.
    """

    def __init__(self, gone: Callable[[], object] | None = None) -> None:
        self.gone = gone

    def write(self, text: str) -> int:
        """Show a text, if there is somebody to show it to."""
        self._try(lambda: sys.stderr.write(text))
        return len(text)

    def flush(self) -> None:
        """Show what is held back."""
        self._try(lambda: sys.stderr.flush())

    def isatty(self) -> bool:
        """Whether a person sits there."""
        return bool(sys.stderr.isatty())

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            gone, full = self.gone, getattr(error, "errno", None) == errno.ENOSPC
            if gone is not None and not full:
                self.gone = None
                gone()


class _BesideTheBar(logging.Handler):
    """Writes lines without tearing a progress bar."""

    def __init__(self, level: int, screen: Screen) -> None:
        super().__init__(level)
        self.screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=self.screen)


class _LogFile(logging.FileHandler):
    """`log.txt`; on a full disk it falls silent, where logging would print tracebacks."""

    def handleError(self, record: logging.LogRecord) -> None:
        """A line is lost; what needs the disk more (metrics, checkpoints) says so."""


class RunLog:
    """Context manager around the logger `usb_ext`.

    Args:
        quiet: show warnings only; the file gets everything.
        silent: show nothing, as all processes of a run but the first.
        gone: called when nobody reads stderr any more.
        least: the level from which lines are shown, in the place of what `quiet` says.

    Attributes:
        screen: where lines are shown, for a progress bar among them.
    """

    def __init__(
        self,
        quiet: bool = False,
        gone: Callable[[], object] | None = None,
        least: int | None = None,
        *,
        silent: bool = False,
    ) -> None:
        self.logger = logging.getLogger(NAME)
        self.screen = Screen(gone)
        usual = logging.WARNING if quiet else logging.INFO
        level = usual if least is None else least
        self._shown = _BesideTheBar(logging.CRITICAL + 1 if silent else level, self.screen)
        self._shown.setFormatter(logging.Formatter("%(message)s"))
        self._kept = MemoryHandler(KEPT_RECORDS, flushLevel=logging.CRITICAL + 1)
        self._file: logging.FileHandler | None = None

    def __enter__(self) -> "RunLog":
        self._before = self.logger.level, self.logger.propagate
        self.logger.setLevel(logging.DEBUG)
        self.logger.propagate = False
        self.logger.addHandler(self._shown)
        self.logger.addHandler(self._kept)
        return self

    def to_file(self, path: Path) -> None:
        """From now on write to `path` (appended to), and write there what was said before.

        Raises:
            SettingsError: it is no file, such as a pipe, on which a writer waits for ever.
        """
        if path.exists() and not path.is_file():
            raise SettingsError(f"{path} is no file, and the log is written there; move it away")
        self._file = _LogFile(path, encoding="utf-8", errors="backslashreplace")
        self._file.setFormatter(FORMAT)
        self.logger.addHandler(self._file)
        self.logger.removeHandler(self._kept)
        self._kept.setTarget(self._file)
        self._kept.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None and error is not None:
            self.logger.log(logging.DEBUG, "ended by %s: %s", type(error).__name__, error)
        self._kept.setTarget(None)
        for handler in (self._shown, self._kept, self._file):
            if handler is not None:
                self.logger.removeHandler(handler)
                handler.close()
        level, self.logger.propagate = self._before
        self.logger.setLevel(level)  # not `.level =`, which leaves children's caches as they were
