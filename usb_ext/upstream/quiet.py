"""USB prints; a run's words belong in its log."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

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
