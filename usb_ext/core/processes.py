"""The processes of one run: how many there are, the rows of a batch that each has, what they tell each other.

A run of W processes takes the steps of a run of one. Each process sends its share of a batch through the
network; what comes out, a few numbers an example, is put together again in all of them (`gathered_rows`), and
every process computes the loss of the whole batch. So no rule, statistic or mean has to know of processes.

Because all of them compute the same loss, the gradient that reaches a process's own rows is already that of
the whole loss: going backward nothing is exchanged, and the gradient of a parameter is the sum of what the
processes find (`summed`).

A process that ends takes the others with it: what waits for it raises `ProcessLost`.
"""

import contextlib
import logging
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from usb_ext.core.errors import RunFailed

_log = logging.getLogger(__name__)
_rdzv = logging.getLogger("torch.distributed")
T = TypeVar("T")


class ProcessLost(RunFailed):
    """Another process of the run has ended while this one waited for it."""


@dataclass(frozen=True)
class World:
    """The processes that train one run together.

    Attributes:
        rank: number of this one, from 0.
        size: how many there are, W.
        local: number of this one on its machine, from 0; on CUDA that of its GPU.
        control: torch's process group for words between processes, on the CPU; None where W is 1.
        store: where processes leave notes for each other, also when one has ended; None where W is 1.
    """

    rank: int = 0
    size: int = 1
    local: int = 0
    control: "dist.ProcessGroup | None" = None
    store: "Store | None" = None

    @property
    def first(self) -> bool:
        """Whether this is the process that writes, draws and speaks."""
        return self.rank == 0

    def sizes(self, n: int) -> list[int]:
        """How many of n rows each process has: shares differ by one row at most.

        Args:
            n: rows, >= 0.

        Returns:
            W numbers that sum to n, the larger ones first.
        """
        least, more = divmod(n, self.size)
        return [least + (rank < more) for rank in range(self.size)]

    def share(self, n: int) -> slice:
        """The rows of this process: of n rows a block without gaps, in the order of the ranks.

        Args:
            n: rows, >= 0.
        """
        sizes = self.sizes(n)
        start = sum(sizes[: self.rank])
        return slice(start, start + sizes[self.rank])


ALONE = World()
_entered: list[World] = [ALONE]


def world() -> World:
    """The processes of the run that is being trained; one where nothing was entered."""
    return _entered[-1]


@contextlib.contextmanager
def entered(found: World) -> Iterator[World]:
    """Inside, `world()` is this one.

    Args:
        found: the processes; `ALONE` for work that each process does by itself.
    """
    _entered.append(found)
    try:
        yield found
    finally:
        _entered.pop()


@contextlib.contextmanager
def joined(
    rank: int, size: int, local: int, cuda: bool, seconds: float, init: str = "env://"
) -> Iterator[World]:
    """Meet the other processes, and inside be one of them.

    Args:
        rank: number of this process, from 0.
        size: how many there are, W > 1.
        local: number of this process on its machine, from 0.
        cuda: whether each has a GPU of its own, number `local`; they talk by nccl then, else by gloo.
        seconds: how long to wait for the others at most.
        init: where they meet, as torch's rendezvous takes it.

    Raises:
        RunFailed: they do not all come.
    """
    limit = timedelta(seconds=seconds)
    _rdzv.setLevel(logging.CRITICAL)  # what it has to say is raised
    try:
        store, _, _ = next(iter(rendezvous(init, rank, size, timeout=limit)))
        store.set_timeout(limit)
        own = PrefixStore("usb_ext", store)
        if cuda:
            torch.cuda.set_device(local)
        dist.init_process_group(
            "nccl" if cuda else "gloo", store=own, rank=rank, world_size=size, timeout=limit
        )
        control: Any = dist.new_group(backend="gloo", timeout=timedelta(days=7))
    except (RuntimeError, ValueError, OSError) as error:
        raise RunFailed(
            f"process {rank} of {size} did not find the others within {seconds:.0f} s "
            f"({_first_line(error)}); start all of them, with the same address and a port that is free"
        ) from error
    try:
        with entered(World(rank, size, local, control, store)) as found:
            yield found
    finally:
        with contextlib.suppress(RuntimeError):
            dist.destroy_process_group()


def _first_line(error: BaseException) -> str:
    text = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text[:160]


@contextlib.contextmanager
def _peers() -> Iterator[None]:
    """Inside, an exchange that another process's end has broken is told as that."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        _log.debug("an exchange between processes was broken: %s", _first_line(error))
        raise ProcessLost(
            "another process of the run has ended; the last whole checkpoint stands, continue with --resume"
        ) from error


@torch.no_grad()
def rows_of_all(values: torch.Tensor, total: int) -> torch.Tensor:
    """The rows of all processes in the order of their ranks, without a graph.

    Args:
        values: (n, ...) this process's share of `total` rows, any dtype; the bits are kept.
        total: rows of all processes.

    Returns:
        (total, ...); `values` itself where there is one process.

    Raises:
        ProcessLost: another one has ended.
    """
    if world().size == 1:
        return values
    return _put_together(values, world().sizes(total))


def put_together(values: torch.Tensor) -> torch.Tensor:
    """The rows of all processes in the order of their ranks, however many each has; without a graph.

    Args:
        values: (n, ...); a process without rows may give any shape (0, ...).

    Returns:
        (total, ...); `values` itself where there is one process.

    Raises:
        ProcessLost: another one has ended.
    """
    if world().size == 1:
        return values
    told = of_all((len(values), tuple(values.shape[1:]), values.dtype))
    width, dtype = next(((w, d) for n, w, d in told if n), told[0][1:])
    own = values if len(values) else values.new_zeros((0, *width), dtype=dtype)
    return _put_together(own, [n for n, _, _ in told])


def _put_together(values: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """Rows (total, ...) of processes that have so many each."""
    own = values.detach().contiguous()
    padded = own.new_zeros((max(sizes), *own.shape[1:]))
    padded[: len(own)] = own
    flat = padded.reshape(-1).view(torch.uint8)
    parts = [torch.empty_like(flat) for _ in sizes]
    with _peers():
        dist.all_gather(parts, flat)
    whole = [part.view(own.dtype).view(padded.shape) for part in parts]
    return torch.cat([part[:n] for part, n in zip(whole, sizes, strict=True)])


class _GatheredRows(torch.autograd.Function):
    """`rows_of_all`; backward the rows of this process, because every process has the same loss."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, total: int) -> torch.Tensor:
        """(n, ...) to (total, ...)."""
        ctx.rows = world().share(total)
        return rows_of_all(values, total)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        """(total, ...) to (n, ...)."""
        return gradients[0][ctx.rows], None


def gathered_rows(values: torch.Tensor, total: int) -> torch.Tensor:
    """The rows of all processes in the order of their ranks; this process's stay part of its graph.

    Args:
        values: (n, ...) this process's share of `total` rows.
        total: rows of all processes.

    Returns:
        (total, ...); `values` itself where there is one process.

    Raises:
        ProcessLost: another one has ended.
    """
    if world().size == 1:
        return values
    if not values.is_floating_point():
        return rows_of_all(values, total)
    gathered: torch.Tensor = _GatheredRows.apply(values, total)
    return gathered


@torch.no_grad()
def summed(values: torch.Tensor) -> torch.Tensor:
    """The sum over processes, the same bits in each.

    Args:
        values: (...) of one shape in all processes; changed in place.

    Raises:
        ProcessLost: another one has ended.
    """
    if world().size > 1:
        with _peers():
            dist.all_reduce(values)
    return values


@torch.no_grad()
def sum_in_place(tensors: Sequence[torch.Tensor], factor: float = 1.0) -> None:
    """Each tensor becomes its sum over processes times a factor; one exchange for each dtype.

    Args:
        tensors: of any shapes (...), as many of the same shapes in all processes.
        factor: 1 / W for a mean.
    """
    if world().size == 1:
        return
    for dtype in dict.fromkeys(t.dtype for t in tensors):
        same = [t for t in tensors if t.dtype == dtype]
        flat = summed(torch.cat([t.reshape(-1) for t in same]))
        if factor != 1.0:
            flat *= factor
        parts = torch.split(flat, [t.numel() for t in same])
        torch._foreach_copy_(same, [p.view(t.shape) for p, t in zip(parts, same, strict=True)])


@torch.no_grad()
def take_first(tensors: Sequence[torch.Tensor]) -> None:
    """Each tensor becomes the first process's; of any shapes (...), as many in all processes."""
    if world().size == 1:
        return
    with _peers():
        for tensor in tensors:
            whole = tensor.contiguous()
            dist.broadcast(whole, 0)
            tensor.copy_(whole)


def largest(value: int) -> int:
    """The largest of the processes' numbers."""
    here = world()
    if here.size == 1:
        return value
    told = torch.tensor(value)
    with _peers():
        dist.all_reduce(told, dist.ReduceOp.MAX, group=here.control)
    return int(told)


def of_all(value: T) -> list[T]:
    """What each process has, in the order of their ranks; anything that pickles."""
    here = world()
    if here.size == 1:
        return [value]
    found: list[Any] = [None] * here.size
    with _peers():
        dist.all_gather_object(found, value, group=here.control)
    return found


def by_first(act: Callable[[], T]) -> T:
    """What the first process finds, in all of them; the others do not look.

    Args:
        act: gives anything that pickles.

    Raises:
        ProcessLost: in the others, where it raises in the first.
    """
    found: Any = act() if world().first else None
    told: T = of_first(found)
    return told


def first_then_others(act: Callable[[], T]) -> T:
    """What every process does, the first one before the others: what it fetches or writes they find.

    Args:
        act: of each process.

    Raises:
        ProcessLost: in the others, where it raises in the first.
    """
    found = act() if world().first else None
    of_first(None)
    return act() if found is None else found


def of_first(value: T) -> T:
    """What the first process has, in all of them; tensors come to the CPU."""
    here = world()
    if here.size == 1:
        return value
    payload = bytearray(pickle.dumps(value) if here.first else b"")
    length = largest(len(payload))
    data = torch.zeros(length, dtype=torch.uint8)
    if here.first:
        data = torch.frombuffer(payload, dtype=torch.uint8)
    with _peers():
        dist.broadcast(data, 0, group=here.control)
    received: T = value if here.first else pickle.loads(data.numpy().tobytes())
    return received
