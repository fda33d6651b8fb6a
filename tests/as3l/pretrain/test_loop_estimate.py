"""The time that pre-training will take is told before it starts."""

import logging
from pathlib import Path
from typing import Any

import pytest
from support.ssl import epochs_of, pretrained

from usb_ext.as3l.pretrain.loop import Pretraining, in_words


def test_the_time_is_told_before_it_starts_and_the_measuring_leaves_no_trace(
    tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    original = Pretraining.train

    def train(self: Any) -> None:
        assert any("no GPU" in line and "9 steps will take about" in line for line in told)
        original(self)

    handler = Kept()
    logging.getLogger("usb_ext").addHandler(handler)
    monkeypatch.setattr(Pretraining, "train", train)
    try:
        pretrained(tmp_path)
    finally:
        logging.getLogger("usb_ext").removeHandler(handler)
    monkeypatch.setattr("usb_ext.as3l.pretrain.stage.seconds_a_step", lambda _: 0.0)
    pretrained(tmp_path / "unmeasured")
    assert epochs_of(tmp_path) == epochs_of(tmp_path / "unmeasured") == epochs_of(made)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(40, "40 s"), (119, "119 s"), (150, "2 min"), (9000, "2.5 h"), (400000, "4.6 days")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
