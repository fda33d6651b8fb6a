"""The run's logger: everything in the file, the essentials on stderr, nothing left behind."""

import logging
import os
from pathlib import Path

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.core.runtime import NAME, RunLog


def say(logger: logging.Logger) -> None:
    logger.debug("a detail")
    logger.info("a step")
    logging.getLogger(f"{NAME}.part").warning("a %s", "warning")


@pytest.mark.parametrize("quiet", [False, True])
def test_file_and_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str], quiet: bool) -> None:
    path = tmp_path / "log.txt"
    with RunLog(quiet=quiet) as log:
        log.to_file(path)
        say(log.logger)
    shown = capsys.readouterr()
    assert shown.err == ("a warning\n" if quiet else "a step\na warning\n")
    assert shown.out == ""
    assert without_time(path) == ["DEBUG   a detail", "INFO    a step", "WARNING a warning"]


def without_time(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split(maxsplit=2)[2] for line in lines]


def test_what_is_said_before_the_file_is_open_is_written_there_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with RunLog() as log:
        log.logger.debug("early")
        assert list(tmp_path.iterdir()) == []
        log.to_file(tmp_path / "log.txt")
        log.logger.info("late")
        assert without_time(tmp_path / "log.txt") == ["DEBUG   early", "INFO    late"]
    assert without_time(tmp_path / "log.txt") == ["DEBUG   early", "INFO    late"]
    assert capsys.readouterr().err == "late\n"


def test_the_file_is_appended_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log.txt"
    path.write_text("first sitting\n")
    with RunLog() as log:
        log.to_file(path)
        log.logger.info("größer")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "first sitting" and lines[1].endswith("größer") and len(lines) == 2
    assert capsys.readouterr().err == "größer\n"


def test_without_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog() as log:
        say(log.logger)
    assert capsys.readouterr().err == "a step\na warning\n"


def test_how_a_run_ended_stands_in_the_file_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ZeroDivisionError), RunLog() as log:
        log.to_file(tmp_path / "log.txt")
        raise ZeroDivisionError("by zero")
    assert without_time(tmp_path / "log.txt") == ["DEBUG   ended by ZeroDivisionError: by zero"]
    assert capsys.readouterr().err == ""


def test_the_root_logger_hears_nothing_and_keeps_its_handlers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = list(logging.getLogger().handlers)
    with RunLog() as log:
        say(log.logger)
        assert logging.getLogger().handlers == before
    assert caplog.records == []


@pytest.mark.parametrize("with_file", [False, True])
def test_level_propagation_and_handlers_are_put_back_even_after_an_error(
    tmp_path: Path, with_file: bool
) -> None:
    logger, child = logging.getLogger(NAME), logging.getLogger(f"{NAME}.part")
    before = logger.level, logger.propagate, list(logger.handlers)
    enabled = child.isEnabledFor(logging.DEBUG)
    with pytest.raises(ZeroDivisionError), RunLog() as log:
        if with_file:
            log.to_file(tmp_path / "log.txt")
        assert child.isEnabledFor(logging.DEBUG)
        raise ZeroDivisionError
    assert (logger.level, logger.propagate, list(logger.handlers)) == before
    assert not enabled and not child.isEnabledFor(logging.DEBUG)


def test_two_runs_in_one_process_do_not_double_their_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        with RunLog() as log:
            log.to_file(tmp_path / name)
            log.logger.info("in %s", name)
    assert capsys.readouterr().err == "in one\nin two\n"
    assert without_time(tmp_path / "two") == ["INFO    in two"]


def test_a_pipe_in_the_logs_place_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log.txt")
    with RunLog(quiet=True) as log, pytest.raises(SettingsError, match=r"log\.txt is no file"):
        log.to_file(tmp_path / "log.txt")
