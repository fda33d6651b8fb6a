"""Loaders whose batches are those of their step, whatever the workers and the start."""

import multiprocessing
import random

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch.utils.data import get_worker_info

from usb_ext.augment.usb_views import strong_transform, weak_transform
from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.data.loaders import eval_loader, stop_workers, train_loader

S, N, B, ITERS = 8, 11, 4, 10
MEAN, STD = (0.5,) * 3, (0.25,) * 3
SETTINGS = {"batch_size": B, "num_iters": ITERS, "start_iter": 0, "seed": 0, "stream": 2}


def shaken(image):
    """Draws from Python's and NumPy's generators, as USB's RandAugment does."""
    flipped = ImageOps.flip(image) if random.random() < 0.5 else image
    return ImageOps.posterize(flipped, int(np.random.randint(1, 8)))


class Views:
    """A data set like USB's: a weak and a strong view of an image, and where it was made."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.data = rng.integers(0, 256, (N, S, S, 3), dtype=np.uint8)
        self.weak = weak_transform(S, 0.75, MEAN, STD, True)
        self.strong = strong_transform(S, 0.75, MEAN, STD, True, shaken)

    def __len__(self):
        return N

    def __getitem__(self, i):
        image = Image.fromarray(self.data[i])
        info = get_worker_info()
        worker = -1 if info is None else info.id
        return {"i": i, "w": self.weak(image), "s": self.strong(image), "worker": worker}


class Broken(Views):
    def __getitem__(self, i):
        raise DataMissing("cannot decode a.png")


def batches(workers=0, **change):
    return list(train_loader(Views(), **SETTINGS | change, num_workers=workers))


def loader_workers():
    return set(multiprocessing.active_children())


def same(one, other):
    return all(torch.equal(one[key], other[key]) for key in ("i", "w", "s"))


def states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


@pytest.fixture(scope="module")
def reference():
    return batches()


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(reference, workers):
    found = batches(workers)
    assert len(found) == len(reference) == ITERS
    assert all(map(same, found, reference))
    used = {int(worker) for batch in found for worker in batch["worker"]}
    assert used == set(range(workers))


@pytest.mark.parametrize("workers", [0, 2])
def test_starting_at_seven_changes_nothing(reference, workers):
    found = batches(workers, start_iter=7)
    assert len(found) == 3
    assert all(map(same, found, reference[7:]))


def test_a_longer_run_begins_alike(reference):
    assert all(map(same, batches(num_iters=ITERS + 3)[:ITERS], reference))


@pytest.mark.parametrize("change", [{"seed": 1}, {"stream": 3}])
def test_seed_and_stream_change_order_and_views(reference, change):
    found = batches(**change)
    assert not any(map(same, found, reference))
    order = [[b["i"].tolist() for b in run] for run in (found, reference)]
    assert order[0] != order[1]


def test_views_differ_between_iterations(reference):
    """Image 0 comes back in several batches, each time cropped anew."""
    views = [b["s"][row] for b in reference for row in range(B) if b["i"][row] == 0]
    assert len(views) >= 3
    assert any(not torch.equal(views[0], view) for view in views[1:])


@pytest.mark.parametrize("workers", [0, 1])
def test_global_states_are_neither_read_nor_changed(reference, workers):
    torch.manual_seed(99)
    before = states()
    found = batches(workers, num_iters=3)
    assert states() == before
    assert all(map(same, found, reference))


def test_weights_and_collate():
    weights = np.eye(N)[6]
    found = batches(weights=weights, collate_fn=lambda samples: [s["i"] for s in samples])
    assert found == [[6] * B] * ITERS


@pytest.mark.parametrize("workers", [0, 1])
def test_errors_keep_their_kind_through_a_worker_and_leave_none_behind(workers):
    before, loader = loader_workers(), train_loader(Broken(), **SETTINGS, num_workers=workers)
    with pytest.raises(DataMissing, match=r"a\.png"):
        next(iter(loader))
    assert len(loader_workers() - before) == workers
    stop_workers(loader)
    assert not loader_workers() - before


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_whose_workers_were_ended_starts_others(workers):
    loader, rows = eval_loader(Views(), batch_size=5, num_workers=workers), [*range(N)]
    for _ in range(2):
        assert [i for batch in loader for i in batch["i"].tolist()] == rows
        stop_workers(loader)


def test_settings_are_checked():
    with pytest.raises(SettingsError, match="batch_size 0"):
        batches(batch_size=0)


@pytest.mark.parametrize("workers", [0, 1])
def test_eval_sees_each_image_once_in_order(workers):
    before = states()
    found = list(eval_loader(Views(), B, workers))
    assert [b["i"].tolist() for b in found] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    assert len(found[-1]["w"]) == 3
    if workers:
        assert states() == before
