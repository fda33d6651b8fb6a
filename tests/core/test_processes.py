"""Shares of a batch, and what processes tell each other: oracles are the rows of one process."""

from typing import Any

import pytest
import torch
from support.processes import in_processes

from usb_ext.core.processes import (
    ALONE,
    World,
    entered,
    gathered_rows,
    largest,
    of_all,
    of_first,
    put_together,
    rows_of_all,
    sum_in_place,
    summed,
    take_first,
    world,
)

ROWS = 7


def whole(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(ROWS, 3, generator=generator, dtype=torch.float64).to(dtype)


def exchanged() -> dict[str, Any]:
    """Everything that needs other processes, in one of them."""
    here, rows = world(), whole()
    own = rows[here.share(ROWS)].clone().requires_grad_()
    every = gathered_rows(own, ROWS)
    loss = (every.square() * torch.arange(1.0, ROWS + 1, dtype=torch.float64)[:, None]).sum()
    loss.backward()
    kinds = [torch.bool, torch.int64, torch.bfloat16, torch.float16, torch.float32]
    kept = [torch.equal(rows_of_all(whole(k)[here.share(ROWS)], ROWS), whole(k)) for k in kinds]
    mixed = [torch.full((2,), float(here.rank)), torch.ones(3, dtype=torch.float64)]
    sum_in_place(mixed, 0.5)
    firsts = [torch.full((2, 2), here.rank + 5), torch.full((1,), here.rank + 0.5)]
    take_first(firsts)
    uneven = put_together(torch.full((here.rank, 2), float(here.rank)))
    return {
        "every": every.detach(), "gradient": own.grad, "kept": kept, "mixed": mixed, "firsts": firsts,
        "uneven": uneven, "sum": summed(torch.tensor([here.rank + 1.0])), "largest": largest(here.rank * 10),
        "all": of_all({"rank": here.rank}), "first": of_first({"x": torch.tensor([here.rank])}),
        "alone": _alone(), "rank": here.rank,
    }  # fmt: skip


def _alone() -> tuple[list[int], int]:
    with entered(ALONE):
        return of_all(world().rank), largest(3)


@pytest.mark.parametrize("size", [2, 3])
def test_what_processes_tell_each_other(size: int) -> None:
    for rank, got in enumerate(in_processes(size, exchanged)):
        assert torch.equal(got["every"], whole()) and all(got["kept"])
        factors = 2 * torch.arange(1.0, ROWS + 1, dtype=torch.float64)[:, None]
        share = World(rank, size).share(ROWS)
        assert torch.equal(got["gradient"], (factors * whole())[share])
        assert got["mixed"][0].tolist() == [sum(range(size)) / 2] * 2
        assert got["mixed"][1].tolist() == [size / 2] * 3
        assert got["firsts"][0].tolist() == [[5, 5], [5, 5]] and got["firsts"][1].tolist() == [0.5]
        assert got["uneven"][:, 0].tolist() == [r for r in range(size) for _ in range(r)]
        assert got["sum"].item() == size * (size + 1) / 2
        assert got["largest"] == (size - 1) * 10
        assert got["all"] == [{"rank": r} for r in range(size)]
        assert got["first"]["x"].tolist() == [0]
        assert got["alone"] == ([0], 3)


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9])
def test_shares_are_blocks_without_gaps_that_differ_by_one_at_most(n: int) -> None:
    for size in (1, 2, 3, 8):
        worlds = [World(rank, size) for rank in range(size)]
        rows = [r for each in worlds for r in range(n)[each.share(n)]]
        sizes = worlds[0].sizes(n)
        assert rows == list(range(n)) and sum(sizes) == n
        assert max(sizes) - min(sizes) <= 1


def test_one_process_has_everything_already() -> None:
    rows = whole().requires_grad_()
    assert world() is ALONE and world().first
    assert gathered_rows(rows, ROWS) is rows and rows_of_all(rows, ROWS) is rows
    assert put_together(rows) is rows and of_all(3) == [3] and of_first("a") == "a"
    one = torch.ones(2)
    assert summed(one) is one and one.tolist() == [1, 1] and largest(2) == 2
