"""Three generators seeded for a moment, and put back."""

import random

import numpy as np
import pytest
import torch

from usb_ext.core.errors import SettingsError
from usb_ext.data.batches import check_seed, order_rng, seeded


def draw():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


def drawn(*arguments):
    with seeded(*arguments):
        return draw()


def test_all_three_generators_obey_all_three_numbers():
    assert drawn(1, 2, 3) == drawn(1, 2, 3)
    others = [drawn(1, 2, 3), drawn(0, 2, 3), drawn(1, 0, 3), drawn(1, 2, 0), drawn(3, 2, 1)]
    for column in zip(*others, strict=True):
        assert len(set(column)) == len(others)


def test_states_are_put_back_even_after_an_error():
    before = states()
    drawn(0, 0, 0)
    with pytest.raises(ZeroDivisionError), seeded(0, 0, 1):
        draw()
        raise ZeroDivisionError
    assert states() == before


def test_order_depends_on_its_arguments_only():
    first = order_rng(1, 2, 3).permutation(50).tolist()
    random.seed(0)
    np.random.seed(0)
    assert order_rng(1, 2, 3).permutation(50).tolist() == first
    for other in ((0, 2, 3), (1, 0, 3), (1, 2, 0)):
        assert order_rng(*other).permutation(50).tolist() != first


def test_large_and_negative_seeds():
    assert drawn(2**63, 0, 10**9) == drawn(2**63, 0, 10**9)
    with pytest.raises(SettingsError, match="seed is -1"):
        check_seed(-1)
