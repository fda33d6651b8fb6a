"""Every global generator goes on exactly where it was, also through a file."""

import io
import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from usb_ext.engine.state import get_random_state, set_random_state


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    yield
    random.setstate(before[0])
    np.random.set_state(before[1])
    torch.set_rng_state(before[2])


def draws() -> dict[str, list[float]]:
    """Numbers from each generator, an odd count of normal ones among them."""
    return {
        "python": [random.random(), random.gauss(0, 1), random.randrange(10**12)],
        "numpy": [*np.random.rand(2), float(np.random.randn()), float(np.random.permutation(9)[0])],
        "torch": [*torch.rand(2).tolist(), *torch.randn(3).tolist()],
    }


def scramble() -> None:
    random.seed(99)
    np.random.seed(99)
    torch.manual_seed(99)


@pytest.mark.parametrize("before", [0, 1, 2])
def test_the_draws_after_are_repeated(before: int) -> None:
    scramble()
    for _ in range(before + 1):  # leaves half-used pairs of normal numbers behind
        draws()
    state = get_random_state()
    wanted = draws()
    scramble()
    other = draws()
    assert all(other[k] != wanted[k] for k in wanted)
    set_random_state(state)
    assert draws() == wanted


def test_half_used_pairs_of_normal_numbers_count() -> None:
    scramble()
    random.gauss(0, 1)
    np.random.randn()
    state = get_random_state()
    wanted = random.gauss(0, 1), np.random.randn()
    scramble()
    set_random_state(state)
    assert (random.gauss(0, 1), np.random.randn()) == wanted


def test_the_state_passes_through_a_weights_only_file() -> None:
    scramble()
    draws()
    buffer = io.BytesIO()
    torch.save(get_random_state(), buffer)
    wanted = draws()
    buffer.seek(0)
    set_random_state(torch.load(buffer, weights_only=True))
    assert draws() == wanted


def test_reading_the_state_draws_nothing() -> None:
    scramble()
    wanted = draws()
    scramble()
    get_random_state()
    assert draws() == wanted


def test_states_of_other_devices_than_there_are_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[list[int]] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", given.append)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: [7, 8])
    state = get_random_state()
    assert state["cuda"] == [7, 8]
    set_random_state({**state, "cuda": [7]})
    assert given == []
    set_random_state(state)
    assert given == [[7, 8]]
