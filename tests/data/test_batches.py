"""Batches by step alone: endless permutations, weights, and samples seeded one by one."""

import pickle
import random

import numpy as np
import pytest
import torch

from usb_ext.core.errors import SettingsError
from usb_ext.data.batches import IterationBatches, SeededDataset


class Noisy:
    """Samples that carry a number from each global generator."""

    targets = (0, 1)

    def __len__(self):
        return 10

    def __getitem__(self, i):
        return i, random.random(), float(np.random.rand()), float(torch.rand(()))


def flat(batches):
    return [i for _, batch in batches for i in batch]


@pytest.mark.parametrize(("n", "size"), [(10, 4), (10, 10), (10, 5), (3, 8), (1, 4), (7, 1)])
def test_batches_cut_an_endless_row_of_permutations(n, size):
    iters = 3 * n
    batches = list(IterationBatches(n, size, iters, 0, seed=0, stream=0))
    assert [t for t, _ in batches] == list(range(iters))
    assert all(len(indices) == size for _, indices in batches)
    row = flat(batches)
    for start in range(0, len(row) - n + 1, n):
        assert sorted(row[start : start + n]) == list(range(n))


def test_permutations_differ_from_each_other():
    row = flat(IterationBatches(20, 20, 5, 0, seed=0, stream=0))
    assert len({tuple(row[k * 20 : k * 20 + 20]) for k in range(5)}) == 5


@pytest.mark.parametrize("start", [1, 7, 29, 30, 40])
@pytest.mark.parametrize("weights", [None, np.arange(10.0)])
def test_start_anywhere_without_replay(start, weights):
    whole = list(IterationBatches(10, 4, 30, 0, 3, 1, weights))
    part = IterationBatches(10, 4, 30, start, 3, 1, weights)
    assert list(part) == whole[start:]
    assert len(part) == len(whole[start:])
    assert list(part) == whole[start:]  # a second pass is the same


@pytest.mark.parametrize("weights", [None, np.ones(10)])
def test_seed_and_stream_decide_the_order(weights):
    def row(seed, stream):
        return flat(IterationBatches(10, 4, 10, 0, seed, stream, weights))

    assert row(0, 0) == row(0, 0)
    assert row(0, 0) != row(1, 0)
    assert row(0, 0) != row(0, 1)
    assert row(1, 0) != row(0, 1)


def test_only_one_permutation_is_kept():
    batches = IterationBatches(1000, 7, 10**9, 10**8, 0, 0)
    held = [len(v) for v in vars(batches).values() if isinstance(v, np.ndarray)]
    iterator = iter(batches)
    assert next(iterator)[0] == 10**8
    assert next(iterator)[0] == 10**8 + 1
    assert held == []
    assert len(batches._latest[1]) == 1000


def test_weights_set_the_frequency():
    """4,000 draws with weights 0, 1, 3, 0: shares 0, 1/4, 3/4, 0; std of a share 0.007."""
    row = flat(IterationBatches(4, 40, 100, 0, 0, 0, weights=[0, 1, 3, 0]))
    share = np.bincount(row, minlength=4) / len(row)
    assert share[[0, 3]].tolist() == [0, 0]
    assert abs(share[1] - 0.25) < 0.035


@pytest.mark.parametrize(
    "weights", [[1.0, 1.0], [1, 1, -1], [0, 0, 0], [1, 1, float("nan")], [1, 1, float("inf")]]
)
def test_bad_weights(weights):
    with pytest.raises(SettingsError, match=r"weights of shape \(\d,\) for 3 images"):
        IterationBatches(3, 1, 1, 0, 0, 0, weights)


@pytest.mark.parametrize("change", [{"n": 0}, {"batch_size": 0}, {"start_iter": -1}, {"seed": -1}])
def test_values_out_of_range(change):
    good = {"n": 3, "batch_size": 1, "num_iters": 1, "start_iter": 0, "seed": 0, "stream": 0}
    with pytest.raises(SettingsError, match="needs an image|seed is -1"):
        IterationBatches(**good | change)


def test_seeded_samples_depend_on_seed_stream_and_iteration():
    def samples(seed, stream, t):
        return SeededDataset(Noisy(), seed, stream).__getitems__((t, [4, 2]))

    first = samples(0, 0, 0)
    assert [s[0] for s in first] == [4, 2]
    random.seed(9)
    assert samples(0, 0, 0) == first
    for other in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        for one, two in zip(first, samples(*other), strict=True):
            assert not set(one[1:]) & set(two[1:])


def test_global_states_are_unchanged():
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    SeededDataset(Noisy(), 0, 0).__getitems__((0, [1]))
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert after == before


def test_attributes_pass_through_and_it_pickles():
    dataset = SeededDataset(Noisy(), 5, 6)
    assert len(dataset) == 10
    assert dataset.targets == (0, 1)
    assert dataset[3][0] == 3
    with pytest.raises(AttributeError, match="nothing"):
        _ = dataset.nothing
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.__getitems__((2, [1, 2])) == dataset.__getitems__((2, [1, 2]))


def test_negative_seed():
    with pytest.raises(SettingsError, match="seed is -3"):
        SeededDataset(Noisy(), -3, 0)
