"""Several processes that a test starts, each with a place in the world of one run.

They are forked from a server that has imported the package once and has computed nothing, so that starting
them costs no import and no thread is forked away.
"""

import multiprocessing
import os
import pickle
import socket
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch

from usb_ext.core.processes import joined

LIMIT = 240
"""Seconds after which a test gives its processes up."""

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(["usb_ext.training.train", "usb_ext.methods.named", "support.built"])


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def variables(rank: int, size: int, port: int) -> dict[str, str]:
    """What torchrun sets."""
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_PORT": port}
    return {"MASTER_ADDR": "127.0.0.1", **{name: str(value) for name, value in numbers.items()}}


def _one(
    end: Connection,
    rank: int,
    size: int,
    port: int,
    join: bool,
    act: Callable[..., Any],
    words: Any,
) -> None:
    torch.set_num_threads(1)
    os.environ.update(variables(rank, size, port))
    try:
        if not join:
            end.send_bytes(
                pickle.dumps((True, act(*words)))
            )  # by value: the process may end before it is read
            return
        with joined(rank, size, rank, False, 60):
            os.environ.pop("WORLD_SIZE")
            end.send_bytes(
                pickle.dumps((True, act(*words)))
            )  # by value: the process may end before it is read
    except BaseException:  # noqa: BLE001  (whatever it is, the test is told)
        end.send_bytes(
            pickle.dumps((False, traceback.format_exc()))
        )  # by value: the process may end before it is read


def started(
    size: int, act: Callable[..., Any], *words: Any, join: bool = True
) -> list[tuple[Any, Connection]]:
    """Processes that do something, and the ends that their results come from.

    Args:
        size: how many.
        act: a function of a module that the processes can import.
        *words: its arguments.
        join: whether they meet first; else they only find torchrun's variables.
    """
    port, found = free_port(), []
    for rank in range(size):
        mine, theirs = _server.Pipe()
        process = _server.Process(target=_one, args=(theirs, rank, size, port, join, act, words))
        process.start()
        theirs.close()
        found.append((process, mine))
    return found


def results(running: list[tuple[Any, Connection]]) -> list[Any]:
    """What each process gives, in the order of the ranks; fails with the traceback of one that does not."""
    found = []
    try:
        for rank, (_, end) in enumerate(running):
            assert end.poll(LIMIT), f"process {rank} gives nothing"
            fine, value = pickle.loads(end.recv_bytes())
            assert fine, f"process {rank}: {value}"
            found.append(value)
    finally:
        for process, _ in running:
            process.join(10)
            process.kill()
    return found


def in_processes(size: int, act: Callable[..., Any], *words: Any, join: bool = True) -> list[Any]:
    """What a function gives in each of some processes; as `started`."""
    return results(started(size, act, *words, join=join))
