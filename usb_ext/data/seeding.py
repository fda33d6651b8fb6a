"""Random numbers that depend on (seed, stream, purpose, step) and on nothing else.

USB's transforms draw from three global generators: Python's `random` (RandAugment), NumPy's
(Cutout, rotation) and torch's (crop, mirror). `seeded` sets all three for a block and puts them
back.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from usb_ext.core.errors import SettingsError

ORDER, AUGMENTATION = 0, 1  # purposes, kept apart so that their numbers never coincide


def check_seed(seed: int) -> None:
    """Raise unless the seed is usable.

    Raises:
        SettingsError: a negative seed, which NumPy cannot take.
    """
    if seed < 0:
        raise SettingsError(f"seed is {seed}; it must be 0 or more")


def order_rng(seed: int, stream: int, step: int) -> np.random.Generator:
    """A generator for the order of images: permutation or batch number `step` >= 0."""
    return np.random.default_rng(np.random.SeedSequence((seed, stream, ORDER, step)))


@contextmanager
def seeded(seed: int, stream: int, step: int) -> Iterator[None]:
    """Inside the block the three global generators of the CPU depend on the arguments alone.

    torch's generators on other devices are not touched, neither now nor when the states are
    restored (`torch.manual_seed` would reset them).
    """
    words = np.random.SeedSequence((seed, stream, AUGMENTATION, step)).generate_state(8)
    saved = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        random.seed(int(words[0]) << 32 | int(words[1]))
        np.random.seed(words[2:6])
        torch.default_generator.manual_seed(int(words[6]) << 32 | int(words[7]))
        yield
    finally:
        random.setstate(saved[0])
        np.random.set_state(saved[1])
        torch.set_rng_state(saved[2])
