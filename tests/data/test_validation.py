"""Validation images are drawn class by class, a smaller set inside a larger one."""

from typing import Any

import numpy as np
import pytest
from support.data_arguments import TARGETS, K

from usb_ext.core.errors import SettingsError
from usb_ext.data.validation import validation_indices

NONE = np.empty(0, np.int64)


def drawn(num_val: int, seed: int = 0, targets: np.ndarray = TARGETS, taken: Any = NONE) -> Any:
    return validation_indices(targets, num_val, seed, np.asarray(taken))


@pytest.mark.parametrize(("num_val", "counts"), [(20, [4] * 5), (60, [10, 12, 12, 13, 13])])
def test_the_draw_is_as_even_as_the_classes_allow(num_val: int, counts: list[int]) -> None:
    """Round after round one image of each class: of 60 the class of 10 gives all, the others share 50."""
    chosen = drawn(num_val)
    assert len(set(chosen.tolist())) == num_val
    assert sorted(np.bincount(TARGETS[chosen], minlength=K).tolist()) == counts


@pytest.mark.parametrize("seed", range(3))
def test_smaller_validation_sets_lie_inside_larger_ones(seed: int) -> None:
    sets = [set(drawn(n, seed).tolist()) for n in (1, 7, 23, 64, 99)]
    assert all(small < large for small, large in zip(sets, sets[1:], strict=False))
    assert drawn(23, seed).tolist() == drawn(23, seed).tolist() != drawn(23, seed + 1).tolist()


def test_unknown_and_taken_images_are_left_alone() -> None:
    targets = TARGETS.copy()
    targets[:50] = -1
    chosen = drawn(20, targets=targets, taken=[60, 61, 62])
    assert chosen.min() >= 50 and not set(chosen.tolist()) & {60, 61, 62}
    with pytest.raises(SettingsError, match="num_val is 50, but 50 training images"):
        drawn(50, targets=targets)
