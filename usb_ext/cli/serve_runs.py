"""Starts each run of a comparison as a fork of a process that has imported everything: `comparison/forks.py`.

    python -P -m usb_ext.cli.serve_runs

Each line of standard input asks for a run, {"name", "settings", "log"}; lines of standard output answer:
{"ready"} once, {"name", "pid"} when the run has begun, {"name", "code"} when it has ended (negative: by a
signal). The process ends when its input is closed and no run is left.

A fork is as good as a process of its own as long as nothing here runs a thread or touches a GPU first; a
trial fork tells whether CUDA could still be used, and `ready` is false where it could not.
"""

import json
import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Any

FORK = multiprocessing.get_context("fork")
Say = Callable[..., object]


def main() -> int:
    """Serve until the input ends; gives the exit code."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what an import prints is no answer

    def say(**values: object) -> None:
        os.write(answers, (json.dumps(values) + "\n").encode())

    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # asking for GPUs leaves them alone
    import usb_ext.training.train  # noqa: F401

    trial = FORK.Process(target=_trial)
    trial.start()
    trial.join()
    say(ready=trial.exitcode == 0)
    return _serve(say, answers) if trial.exitcode == 0 else 0


def _trial() -> None:
    import torch

    sys.exit(int(torch.cuda._is_in_bad_fork()))


def _serve(say: Say, answers: int) -> int:
    running: dict[str, Any] = {}
    asked, is_open = b"", True
    while is_open or running:
        wait([*([0] if is_open else []), *(p.sentinel for p in running.values())])
        for name, process in list(running.items()):
            if process.exitcode is not None:
                del running[name]
                say(name=name, code=process.exitcode)
        if not (is_open and wait([0], 0)):
            continue
        part = os.read(0, 2**16)
        is_open = bool(part)
        *lines, asked = (asked + part).split(b"\n")
        for line in lines:
            wish = json.loads(line)
            process = FORK.Process(target=_run, args=(wish["settings"], wish["log"], answers))
            process.start()
            running[wish["name"]] = process
            say(name=wish["name"], pid=process.pid)
    return 0


def _run(settings: str, log: str, answers: int) -> None:
    """`usb-ext train` on one run, in a session of its own, as `processes.TrainProcess` has it."""
    os.setsid()
    os.close(answers)
    nothing, said = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_TRUNC)
    for source, place in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(source, place)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.argv = ["usb-ext", "train", "--c", settings]
    from usb_ext.cli.main import main as command

    sys.exit(command(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
