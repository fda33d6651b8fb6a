"""The wish to stop: the first signal asks, the second ends, and handlers are put back."""

import logging
import os
import signal
import threading
from collections.abc import Iterator

import pytest
import torch

from usb_ext.core.files import RunFolder
from usb_ext.engine.hooks.record import Progress
from usb_ext.engine.parts import Parts, Stop


@pytest.fixture(autouse=True)
def handlers() -> Iterator[dict[int, object]]:
    """Python's own handlers, and after the test those that were there before.

    A background job of a script is started with Ctrl-C ignored, and Python leaves that as it is.
    """
    own = {int(signal.SIGINT): signal.default_int_handler, int(signal.SIGTERM): signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in own.items()}
    yield dict(own)
    for number, found in before.items():
        signal.signal(number, found)


def now(handlers: dict[int, object]) -> dict[int, object]:
    return {n: signal.getsignal(n) for n in handlers}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_only_asks(
    number: int, handlers: dict[int, object], caplog: pytest.LogCaptureFixture
) -> None:
    stop = Stop()
    with stop.on_signals():
        assert stop.requested == 0
        os.kill(os.getpid(), number)
        assert stop.requested == number
        assert now(handlers) == handlers  # so the next one ends the process
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert now(handlers) == handlers


def test_the_second_ends_at_once(handlers: dict[int, object]) -> None:
    stop = Stop()
    with pytest.raises(KeyboardInterrupt), stop.on_signals():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second signal was swallowed")
    assert stop.requested == signal.SIGTERM
    assert now(handlers) == handlers


def test_without_a_signal_the_handlers_are_put_back(handlers: dict[int, object]) -> None:
    with pytest.raises(ZeroDivisionError), Stop().on_signals():
        assert now(handlers) != handlers
        raise ZeroDivisionError
    assert now(handlers) == handlers


def test_handlers_of_the_caller_come_back() -> None:
    seen: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    stop = Stop()
    with stop.on_signals():
        signal.raise_signal(signal.SIGTERM)
        assert seen == []
    signal.raise_signal(signal.SIGTERM)
    assert seen == [signal.SIGTERM]


def test_in_another_thread_nothing_changes(handlers: dict[int, object]) -> None:
    found: list[object] = []

    def work() -> None:
        with Stop().on_signals():
            found.append(now(handlers))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [handlers]


def test_every_run_has_a_wish_of_its_own(tmp_path: object) -> None:
    def parts() -> Parts:
        progress = Progress("off", logging.getLogger("test_parts"))
        return Parts(torch.device("cpu"), "off", RunFolder(tmp_path), progress, {}, {})  # type: ignore[arg-type]

    one, two = parts(), parts()
    one.stop.requested = 2
    assert two.stop.requested == 0
