"""A run on examples that a program holds, of which nothing is left but the network: `trained_network`.

The classes, the step and the loop are those of any run (`compose.py`, `engine/`); what a folder is for
(records, pictures, going on later) is not made. Files that the engine writes on its way go to a temporary
folder, which is removed however the run ends. Settings of the process that training needs (the seeds of the
global generators, the logger) are put back, so that a program may train many networks, from any thread.
"""

import contextlib
import logging
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

from usb_ext.core.errors import Interrupted, our_errors
from usb_ext.core.files import RunFolder
from usb_ext.core.runtime import RunLog
from usb_ext.data.sets import Source, prepare
from usb_ext.engine import checkpoint
from usb_ext.engine.parts import Stop
from usb_ext.engine.state import random_state_kept
from usb_ext.settings import LoadedSettings
from usb_ext.training.check import biggest_lever, check_run, unused_options
from usb_ext.training.compose import build_namespace, is_ours
from usb_ext.training.kept_network import KeptNetwork
from usb_ext.training.start_from import find_start
from usb_ext.training.train import Begin, built, parts_of, take_steps, with_data
from usb_ext.training.warm_up import calibrated
from usb_ext.upstream.device import cuda_means
from usb_ext.upstream.quiet import printed_to_log

_log = logging.getLogger(__name__)
_one_at_a_time = threading.RLock()
"""Training draws from torch's global generators, so of several threads one trains and the others wait."""

NOTHING = logging.CRITICAL + 1
"""Level of a screen that shows no line."""


def trained_network(
    loaded: LoadedSettings, source: Source, *, shown: bool = False, stop: Stop | None = None
) -> KeptNetwork:
    """Train on examples in memory.

    Args:
        loaded: checked settings with `dataset: arrays`; `save_dir` and `save_name` are not looked at.
        source: its `arrays`.
        shown: show lines and a bar, as `progress` says; otherwise warnings alone, as Python's.
        stop: the wish to stop; by default Ctrl-C and SIGTERM.

    Returns:
        The averaged weights as they are evaluated.

    Raises:
        SettingsError, DataMissing: before any step.
        RunFailed: a loss that is not finite.
        Interrupted: when asked to stop; nothing is kept.
    """
    with (
        _one_at_a_time,
        random_state_kept(),
        tempfile.TemporaryDirectory(prefix="usb_ext-") as place,
        our_errors(biggest_lever(loaded.settings)),
        _logging(shown) as log,
    ):
        return _trained(loaded, source, stop or Stop(), log, RunFolder(Path(place)))


def _trained(
    loaded: LoadedSettings, source: Source, stop: Stop, log: RunLog, place: RunFolder
) -> KeptNetwork:
    checked = check_run(loaded.settings, handed_over=True)
    settings = checked.settings
    for warning in (*loaded.warnings, *unused_options(loaded, checked.classes)):
        _log.warning("%s", warning)
    parts = parts_of(settings, checked.device, place, stop, log)
    args = build_namespace(settings, parts)
    with_data(args, parts, prepare(args, source))
    start = find_start(settings)
    scope = contextlib.nullcontext() if is_ours(settings) else cuda_means(checked.device)
    with scope:
        settings, _ = calibrated(
            settings, args, None, lambda changed: built(settings, checked.classes, changed, start)
        )
        algorithm = built(settings, checked.classes, args, start)
        try:
            with stop.on_signals(), printed_to_log():
                take_steps(algorithm, Begin(start=start))
        except Interrupted as error:
            told = (
                f"stopped after step {algorithm.it} of {settings.num_train_iter}; nothing is kept"
            )
            raise Interrupted(told, error.signal_number) from None
        finally:
            algorithm.stop_workers()
    return KeptNetwork.of_checkpoint(settings, checkpoint.read(place.latest))


class _AsWarnings(logging.Handler):
    """Hands a log's warnings to Python's `warnings`, where a program can look for them.

    What `Stop` says when a signal comes is left out: it speaks of a checkpoint, and the error says it.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Warn once for each line."""
        if record.name != Stop.__module__:
            warnings.warn(record.getMessage(), UserWarning, stacklevel=2)


@contextlib.contextmanager
def _logging(shown: bool) -> Iterator[RunLog]:
    """The run's log: on the screen, or its warnings alone, as Python's."""
    if shown:
        with RunLog() as log:
            yield log
        return
    with RunLog(least=NOTHING) as log:
        handler = _AsWarnings(logging.WARNING)
        log.logger.addHandler(handler)
        try:
            yield log
        finally:
            log.logger.removeHandler(handler)
