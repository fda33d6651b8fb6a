"""Labelled and unlabelled positions: shares by class, nested folds, and errors with their remedy."""

import logging

import numpy as np
import pytest
from support.data_arguments import TARGETS, K

from usb_ext.core.errors import SettingsError
from usb_ext.data.splits import label_indices, unlabelled_indices


def label(num_labels, split="per_class", seed=0, ratio=1.0, targets=TARGETS):
    return label_indices(
        targets,
        num_classes=K,
        num_labels=num_labels,
        label_split=split,
        label_seed=seed,
        lb_imb_ratio=ratio,
    )


def unlabelled(labelled, include=False, seed=0, targets=TARGETS, **caps):
    return unlabelled_indices(
        targets, labelled, num_classes=K, include_lb_to_ulb=include, label_seed=seed, **caps
    )


def test_per_class_gives_each_class_its_share():
    chosen = label(20)
    assert chosen.dtype == np.int64
    assert TARGETS[chosen].tolist() == [c for c in range(K) for _ in range(4)]
    assert len(set(chosen.tolist())) == 20


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("split", "ratio", "sizes"),
    [
        ("per_class", 1.0, [5, 10, 25, 50]),
        ("per_class", 10.0, [10, 11, 20, 30]),
        ("per_class", -2.0, [8, 9, 10]),
        ("random", 1.0, [1, 2, 11, 12, 99, 100]),
    ],
)
def test_folds_are_nested(seed, split, ratio, sizes):
    folds = [set(label(n, split, seed, ratio).tolist()) for n in sizes]
    for small, large in zip(folds, folds[1:], strict=False):
        assert small < large


def test_seed_decides_and_global_state_does_not():
    for split in ("per_class", "random"):
        np.random.seed(5)
        one = label(10, split, seed=1)
        np.random.seed(6)
        assert one.tolist() == label(10, split, seed=1).tolist()
        assert one.tolist() != label(10, split, seed=2).tolist()


def test_random_is_uniform_over_images():
    """Over 400 seeds each of 100 images is labelled 400 * 20 / 100 = 80 times; std 8."""
    hits = np.zeros(100)
    for seed in range(400):
        hits[label(20, "random", seed)] += 1
    assert hits.sum() == 8000
    assert 45 < hits.min() and hits.max() < 115
    of_class = np.array([hits[TARGETS == c].mean() for c in range(K)])
    assert np.abs(of_class - 80).max() < 8


def test_unknown_classes_are_never_labelled():
    targets = TARGETS.copy()
    targets[::2] = -1
    known = int((targets >= 0).sum())
    chosen = label(known, "random", targets=targets)
    assert set(chosen.tolist()) == set(np.flatnonzero(targets >= 0).tolist())
    assert (targets[label(5, targets=targets)] >= 0).all()
    with pytest.raises(SettingsError, match=f"{known} training images have a known class"):
        label(known + 1, "random", targets=targets)


def test_errors_carry_value_and_remedy():
    with pytest.raises(SettingsError, match=r"11 labels of class 4, which has 10 images; lower"):
        label(55)
    with pytest.raises(SettingsError, match=r"num_labels is 3, which does not divide by the 5"):
        label(3)
    with pytest.raises(SettingsError, match=r"num_labels is 0"):
        label(0, "random")
    with pytest.raises(SettingsError, match=r"'file'.*per_class, random"):
        label(5, "file")
    with pytest.raises(SettingsError, match=r"lb_imb_ratio is 10.*label_split: per_class"):
        label(5, "random", ratio=10.0)
    with pytest.raises(SettingsError, match="label_seed is -2"):
        label(5, "random", seed=-2)


def test_class_without_label_is_logged(caplog):
    with caplog.at_level(logging.WARNING):
        label(4, ratio=8.0)  # 4 * 8 ** (-c / 4), rounded down: 4, 2, 1, 0, 0
    assert "classes without a label: [3, 4]" in caplog.text


@pytest.mark.parametrize("split", ["per_class", "random"])
def test_unlabelled_is_the_complement(split):
    labelled = label(20, split)
    rest = unlabelled(labelled)
    assert sorted([*labelled.tolist(), *rest.tolist()]) == list(range(100))
    both = unlabelled(labelled, include=True)
    assert both[:20].tolist() == labelled.tolist()
    assert both[20:].tolist() == rest.tolist()


def test_unlabelled_counts_per_class():
    labelled = label(10)
    rest = unlabelled(labelled, ulb_num_labels=25)
    assert np.bincount(TARGETS[rest]).tolist() == [5] * K
    assert not set(rest.tolist()) & set(labelled.tolist())
    tail = unlabelled(labelled, ulb_num_labels=16, ulb_imb_ratio=16.0)
    assert np.bincount(TARGETS[tail], minlength=K).tolist() == [16, 8, 4, 2, 1]
    assert rest.tolist() == unlabelled(labelled, ulb_num_labels=25).tolist()
    assert rest.tolist() != unlabelled(labelled, seed=1, ulb_num_labels=25).tolist()


def test_unlabelled_class_with_too_few_gives_what_it_has(caplog):
    rest = unlabelled(label(10), ulb_num_labels=75)
    assert np.bincount(TARGETS[rest]).tolist() == [15, 15, 15, 13, 8]
    assert "75 unlabelled images asked for, there are 66" in caplog.text


def test_unlabelled_keeps_images_of_unknown_class():
    targets = TARGETS.copy()
    targets[:40] = -1
    labelled = label(5, targets=targets)
    for caps in ({}, {"ulb_num_labels": 5}):
        rest = unlabelled(labelled, targets=targets, **caps)
        assert set(range(40)) <= set(rest.tolist())
        assert len(set(rest.tolist())) == len(rest)
    assert len(rest) == 45


def test_unlabelled_errors():
    with pytest.raises(SettingsError, match="ulb_imb_ratio is 50.*ulb_num_labels"):
        unlabelled(label(5), ulb_imb_ratio=50.0)
    with pytest.raises(SettingsError, match=r"from 0 to 100, .* 100 images \(0 to 99\)"):
        unlabelled(np.array([0, 100]))
    with pytest.raises(SettingsError, match="from -1 to 3"):
        unlabelled(np.array([-1, 3]))
    with pytest.raises(SettingsError, match="1 labelled positions are repeated"):
        unlabelled(np.array([3, 4, 3]))
    with pytest.raises(SettingsError, match="all 100 training images are labelled.*include_lb"):
        unlabelled(np.arange(100))
    assert len(unlabelled(np.arange(100), include=True)) == 100
