"""Submits tasks through submitit, in a process of its own: `python -m usb_ext.comparison.submit`.

Standard input holds one JSON object: `kind` (`slurm` or `local`), `folder` for submitit's files,
`parameters` of its executor, `times` (how often a job may be queued again because its time was up), and
`tasks`, the fields of a `Task` each. Standard output gives {"jobs": [...]}, a number for each task, or
{"error": "..."} in the words of what refused them.

A process of its own, because local jobs are children of who submits them: so they hear no Ctrl-C and hold no
terminal or pipe of the command's.
"""

import contextlib
import io
import json
import logging
import os
import shlex
import sys
from typing import Any

from submitit import LocalExecutor, SlurmExecutor
from submitit.core.utils import FailedJobError

from usb_ext.comparison.task import Task

EXECUTORS = {"slurm": SlurmExecutor, "local": LocalExecutor}


def main() -> int:
    """Read the order, submit, answer; gives the exit code."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with contextlib.redirect_stderr(io.StringIO()):  # submitit repeats there what it raises
        answer = submitted(json.load(sys.stdin))
    answers.write(json.dumps(answer) + "\n")
    answers.close()
    return 0


def submitted(order: dict[str, Any]) -> dict[str, Any]:
    """The answer to an order.

    Args:
        order: as the module says.
    """
    logging.getLogger("submitit").setLevel(logging.ERROR)
    executor = EXECUTORS[order["kind"]](
        folder=order["folder"], max_num_timeout=order["times"], python=shlex.quote(sys.executable)
    )
    executor.update_parameters(**order["parameters"])
    tasks = [Task(**{**task, "command": tuple(task["command"])}) for task in order["tasks"]]
    try:
        with executor.batch():
            jobs = [executor.submit(task) for task in tasks]
    except FailedJobError as error:
        return {"error": " ".join(str(error).split())}
    return {"jobs": [job.job_id for job in jobs]}


if __name__ == "__main__":
    sys.exit(main())
