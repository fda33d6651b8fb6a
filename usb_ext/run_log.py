"""The run's logger: everything into `log.txt`, the essentials to the person in front of it.

USB's `get_logger` takes over the root logger and adds a handler a call; this one leaves the root alone
and removes what it added. What is said before the run's folder is open is kept and written there later.
"""

import logging
import sys
from logging.handlers import MemoryHandler
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

NAME = "usb_ext"
FORMAT = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S")
KEPT_RECORDS = 100_000


class _BesideTheBar(logging.Handler):
    """Writes lines to stderr without tearing a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


class RunLog:
    """Context manager around the logger `usb_ext`.

    Args:
        quiet: show warnings only; the file gets everything.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.logger = logging.getLogger(NAME)
        self._shown = _BesideTheBar(logging.WARNING if quiet else logging.INFO)
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
        """From now on write to `path` (appended to), and write there what was said before."""
        self._file = logging.FileHandler(path, encoding="utf-8")
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
