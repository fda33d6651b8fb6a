"""A bar on a terminal, lines elsewhere, nothing when switched off; right after a resume."""

import logging
from collections.abc import Iterator
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest

from usb_ext.engine.hooks import record
from usb_ext.engine.hooks.record import Progress, columns, fitting


class Screen(StringIO):
    """A stream that may be a terminal."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.seen: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append((record.levelno, record.getMessage()))


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    logger = logging.getLogger("test_progress")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def progress(kind: str, terminal: bool) -> tuple[Progress, Screen]:
    screen = Screen(terminal)
    return Progress(kind, logging.getLogger("test_progress"), screen), screen


def algorithm(it: int = 0) -> Any:
    log = {"train/total_loss": 1.25, "train/util_ratio": 0.5}
    return SimpleNamespace(it=it, num_train_iter=10, log_dict=log, best_eval_acc=0.0)


@pytest.mark.parametrize(
    ("kind", "terminal", "bar"),
    [
        ("auto", True, True),
        ("auto", False, False),
        ("bar", False, True),
        ("lines", True, False),
        ("off", True, False),
    ],
)
def test_what_is_shown(kind: str, terminal: bool, bar: bool, lines: Lines) -> None:
    shown, screen = progress(kind, terminal)
    shown.step(algorithm(), due=True)
    assert (shown.bar is not None) is bar
    assert bool(screen.getvalue()) is bar
    levels = [level for level, _ in lines.seen]
    if kind == "off":
        assert levels == []
    else:  # with a bar on the screen the line goes to the file alone
        assert levels == [logging.DEBUG if bar else logging.INFO]
    shown.stop()


def test_a_line_says_step_loss_share_and_scores(lines: Lines) -> None:
    shown, _ = progress("lines", terminal=False)
    run = algorithm(it=3)
    shown.step(run, due=True)
    run.log_dict["eval/top-1-acc"] = 0.5
    run.best_eval_acc = 0.75
    shown.step(run, due=True)
    run.log_dict = {}
    shown.step(run, due=True)
    assert [text for _, text in lines.seen] == [
        "step 4/10  loss 1.250  used 0.50",
        "step 4/10  loss 1.250  used 0.50  top1 0.5000  best 0.7500",
        "step 4/10  best 0.7500",
    ]


def test_steps_that_are_not_due_say_nothing_but_move_the_bar(lines: Lines) -> None:
    shown, _ = progress("bar", terminal=True)
    shown.step(algorithm(0), due=False)
    bar = shown.bar
    for it in range(1, 4):
        shown.step(algorithm(it), due=False)
    assert lines.seen == []
    assert shown.bar is bar
    assert (shown.bar.n, shown.bar.total) == (4, 10)
    shown.stop()


def test_a_resumed_bar_starts_where_the_run_goes_on() -> None:
    shown, screen = progress("auto", terminal=True)
    assert shown.bar is None and screen.getvalue() == ""  # only the first step knows where
    shown.step(algorithm(it=6), due=False)
    assert (shown.bar.initial, shown.bar.n, shown.bar.total) == (6, 7, 10)
    assert "6/10" in screen.getvalue()
    shown.stop()


def test_the_rate_counts_images() -> None:
    shown, _ = progress("bar", terminal=True)
    shown.images_per_step = 24
    seen: list[str] = []
    shown.started = True
    shown.bar = SimpleNamespace(
        format_dict={"rate": 2.5}, set_postfix_str=seen.append, update=lambda n: None
    )
    shown.step(algorithm(), due=True)
    shown.bar.format_dict = {"rate": None}  # before tqdm knows one
    shown.step(algorithm(), due=True)
    assert seen == ["loss 1.250  used 0.50  60 img/s", "loss 1.250  used 0.50"]


def test_stop_closes_the_bar_once_and_leaves_it_on_the_screen() -> None:
    shown, screen = progress("bar", terminal=True)
    shown.step(algorithm(), due=True)
    bar = shown.bar
    shown.stop()
    shown.stop()
    assert shown.bar is None
    assert bar.disable and screen.getvalue().endswith("\n")


def test_a_step_after_that_begins_a_new_bar() -> None:
    shown, _ = progress("bar", terminal=True)
    for it in range(5):
        shown.step(algorithm(it), due=False)
    shown.stop()
    shown.step(algorithm(0), due=False)
    assert shown.bar is not None
    assert (shown.bar.initial, shown.bar.n) == (0, 1)
    shown.stop()


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("total", [200, 2**20])
def test_the_bar_is_whole_at_the_width_of_its_terminal(
    width: int, total: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No drawn line is wider, none is cut within a word, and the most important is there."""
    monkeypatch.setenv("COLUMNS", str(width))
    shown, screen = progress("bar", terminal=True)
    shown.images_per_step = 24
    run = algorithm()
    run.num_train_iter, run.best_eval_acc = total, 0.75
    run.log_dict["eval/top-1-acc"] = 0.5
    for run.it in range(3):
        shown.step(run, due=True)
    text = str(shown.bar)
    shown.stop()
    drawn = [line for line in screen.getvalue().replace("\n", "\r").split("\r") if line.strip()]
    assert drawn and max(map(len, drawn)) <= width
    whole = {"loss 1.250", "used 0.50", "top1 0.5000", "best 0.7500"}
    parts = {p for p in text.partition(", ")[2].split("  ") if "img/s" not in p}
    assert parts <= whole and "loss 1.250" in parts
    assert width < 200 or parts == whole
    assert "|" in text and f"/{total}" in text


def test_what_does_not_fit_is_left_out_least_important_first() -> None:
    parts = ["loss 1.250", "used 0.50", "top1 0.5000"]
    assert fitting(parts, 100) == "loss 1.250  used 0.50  top1 0.5000"
    assert fitting(parts, 30) == "loss 1.250  top1 0.5000"
    assert fitting(parts, 12) == "loss 1.250" and fitting(parts, 3) == ""


def test_a_width_that_nobody_tells_is_80(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("sys.stderr", Screen(False))
    assert columns() == 80


def test_lines_say_the_rate_and_what_is_left_and_come_in_time(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step in eight seconds: due ones are said, and one where 30 seconds have passed without."""
    clock = {"now": 0.0}
    monkeypatch.setattr(record.time, "monotonic", lambda: clock["now"])
    shown, _ = progress("lines", terminal=False)
    run = algorithm()
    for run.it in range(8):
        clock["now"] += 8
        shown.step(run, due=run.it == 2)
    assert [text for _, text in lines.seen] == [
        "step 3/10  loss 1.250  used 0.50  0.125 it/s  00:56 left",
        "step 7/10  0.125 it/s  00:24 left",
    ]
