"""What USB prints or says becomes detail in the log, line by line, and never output."""

import logging
import sys
import warnings
from collections.abc import Iterator

import pytest

from usb_ext.upstream.quiet import UsbLogger, printed_to_log


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.seen: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append((record.levelno, record.getMessage()))


@pytest.fixture
def records() -> Iterator[Records]:
    logger, handler = logging.getLogger("usb_ext.usb"), Records()
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


def printed(*texts: str, end: str = "\n") -> None:
    for text in texts:
        sys.stdout.write(f"{text}{end}")


def test_lines_are_logged_as_detail_and_not_shown(
    records: Records, capsys: pytest.CaptureFixture[str]
) -> None:
    with printed_to_log():
        printed("one", "", "   ", "two\nthree  ", "100%s")
    debug = logging.DEBUG
    assert records.seen == [(debug, text) for text in ("one", "two", "three", "100%s")]
    assert capsys.readouterr() == ("", "")


def test_pieces_of_a_line_are_put_together_and_an_unfinished_one_is_kept(records: Records) -> None:
    with printed_to_log():
        printed("a", "b\nc", "d", end="")
    assert [text for _, text in records.seen] == ["ab", "cd"]


def test_stdout_is_put_back_and_the_rest_logged_after_an_error(
    records: Records, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ZeroDivisionError), printed_to_log():
        printed("before the error", end="")
        raise ZeroDivisionError
    printed("shown")
    assert [text for _, text in records.seen] == ["before the error"]
    assert capsys.readouterr().out == "shown\n"


def test_stderr_is_left_alone(records: Records, capsys: pytest.CaptureFixture[str]) -> None:
    with printed_to_log():
        sys.stderr.write("an error\n")
    assert capsys.readouterr().err == "an error\n"
    assert records.seen == []


@pytest.mark.parametrize(
    ("message", "category", "dropped"),
    [
        ("torch.cuda.amp is deprecated", FutureWarning, True),
        ("torch.cuda.amp.GradScaler is enabled, but CUDA is not available.", UserWarning, True),
        ("This DataLoader will create 8 worker processes in total.", UserWarning, True),
        ("something else", UserWarning, False),
        ("something else", RuntimeWarning, False),
    ],
)
def test_only_notes_on_what_usb_does_are_dropped(
    message: str, category: type[Warning], dropped: bool
) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with printed_to_log():
            warnings.warn(message, category, stacklevel=1)
        inside = len(seen)
        warnings.warn(message, category, stacklevel=1)
    assert inside == (0 if dropped else 1)
    assert len(seen) == inside + 1  # afterwards everything is heard again


def test_what_usbs_classes_say_is_detail(records: Records) -> None:
    UsbLogger().info("model saved: %s")
    UsbLogger.info({"a": 1})
    assert records.seen == [(logging.DEBUG, "model saved: %s"), (logging.DEBUG, "{'a': 1}")]
