"""Labels a class: USB's balanced and long-tailed counts by hand."""

import itertools
import math

import numpy as np
import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.data.splits import class_counts, first_of_each_class, seeded_order


def test_balance_divides_the_total():
    assert class_counts(40, 10, 1.0, "num_labels") == [4] * 10


@pytest.mark.parametrize(
    ("total", "ratio"), list(itertools.product([100, 1500, 4996], [10, 100, 150.5]))
)
def test_imbalance_decays_from_head_to_tail(total, ratio):
    counts = class_counts(total, 10, ratio, "num_labels")
    for c, count in enumerate(counts):
        exact = total * math.exp(-c / 9 * math.log(ratio))
        assert exact - 1.001 < count <= exact + 1e-6
    assert counts[0] == total
    assert counts[-1] == math.floor(total / ratio)
    assert class_counts(total, 10, -ratio, "num_labels") == counts[::-1]


def test_imbalance_by_hand():
    # 3 classes, ratio 100: 100, 100 / sqrt(100), 100 / 100
    assert class_counts(100, 3, 100, "n") == [100, 10, 1]
    # USB's own CIFAR-10-LT head of 1,500 at ratio 100, as published: the tail has 15
    assert class_counts(1500, 10, 100, "n")[-1] == 15


def test_ratio_minus_one_gives_each_class_the_head_count():
    assert class_counts(7, 3, -1.0, "n") == [7, 7, 7]


def test_uneven_total_names_the_nearest_and_the_remedy():
    with pytest.raises(SettingsError, match=r"num_labels is 45.*use 40 or 50, or label_split"):
        class_counts(45, 10, 1.0, "num_labels")
    with pytest.raises(SettingsError, match=r"ulb_num_labels is 3.*use 10$"):
        class_counts(3, 10, 1.0, "ulb_num_labels")


@pytest.mark.parametrize(
    ("total", "classes", "ratio"),
    [(0, 2, 1.0), (-4, 2, 1.0), (4, 2, 0.5), (4, 2, 0.0), (4, 1, 10.0), (4, 2, math.nan)],
)
def test_values_out_of_range(total, classes, ratio):
    with pytest.raises(SettingsError, match="n is|goes with n"):
        class_counts(total, classes, ratio, "n")


def test_order_is_a_permutation_fixed_by_the_seed():
    np.random.seed(1)
    one = seeded_order(50, 3)
    np.random.seed(2)
    assert sorted(one) == list(range(50))
    assert one.tolist() == seeded_order(50, 3).tolist()
    assert one.tolist() != seeded_order(50, 4).tolist()
    with pytest.raises(SettingsError, match="label_seed is -1"):
        seeded_order(5, -1)


def test_first_of_each_class_by_a_loop():
    targets = np.array([0, 1, 2, 0, 1, 2, 0, 0])
    order = np.array([7, 5, 4, 3, 2, 1, 0, 6])
    taken = first_of_each_class(order, targets, [2, 9, 0])
    assert taken.tolist() == [7, 3, 4, 1]  # class 0: first two; class 1: all it has; class 2: none
