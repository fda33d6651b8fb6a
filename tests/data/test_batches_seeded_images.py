"""An image's random view is decided by seed, stream and position."""

import random

import numpy as np
import pytest
import torch

from usb_ext.core.errors import SettingsError
from usb_ext.data.batches import SeededImages


class Drawing:
    """Samples that draw from the three generators which USB's transforms use."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, position: int) -> tuple[int, float, float, float]:
        return position, random.random(), float(np.random.rand()), torch.rand(1).item()


def test_an_image_depends_on_seed_stream_and_position() -> None:
    images = SeededImages(Drawing(), seed=1, stream=6)
    assert len(images) == 5
    assert [images[3], images[0], images[3]] == [images[3], images[0], images[3]]
    assert images[3][1:] != images[0][1:]
    assert SeededImages(Drawing(), seed=1, stream=6)[3] == images[3]
    assert SeededImages(Drawing(), seed=2, stream=6)[3] != images[3]
    assert SeededImages(Drawing(), seed=1, stream=7)[3] != images[3]


def test_the_generators_of_the_run_are_left_alone() -> None:
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    SeededImages(Drawing(), seed=0, stream=6)[2]
    assert random.getstate() == before[0]
    assert (np.random.get_state()[1] == before[1]).all()
    assert torch.equal(torch.get_rng_state(), before[2])


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(SettingsError, match="seed is -1"):
        SeededImages(Drawing(), seed=-1, stream=6)
