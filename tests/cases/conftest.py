"""What the cases share: the command as a person types it, on a settings file of four steps."""

from collections.abc import Callable
from pathlib import Path

import pytest

from usb_ext.cli.main import main

Typed = Callable[..., tuple[int, str]]

LINES = """algorithm: fixmatch
dataset: digits
num_classes: 10
num_labels: 10
net: wrn_10_1
img_size: 16
num_train_iter: 4
num_eval_iter: 4
num_log_iter: 4
batch_size: 6
uratio: 2
eval_batch_size: 64
augment: batched
device: cpu
num_workers: 0
num_threads: 1
progress: lines
"""


@pytest.fixture
def typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Typed:
    """`usb-ext WORDS` in a folder of its own that holds c.yaml: the exit code, and all that is said."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(LINES)

    def run(*words: object) -> tuple[int, str]:
        code = main([str(word) for word in words])
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err
        return code, shown.out + shown.err

    return run
