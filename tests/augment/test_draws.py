"""The strong view's draws against USB's RandAugment, whose own draws are recorded (LayerMatch, Table 7).

Seeds are fixed; a test of two distributions fails where its p falls below 1e-4, so that with the
46 comparisons here a right program would fail for fewer than one choice of seeds in 200.
"""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from support.pillow import USB, pictures, to_pillow

from usb_ext.augment.draws import DRAWN, Op, StrongDraws, draw_strong

SIGNIFICANCE = 1e-4
SIZE, IMAGES = 16, 6000


def ours(n: int = IMAGES, seed: int = 0) -> StrongDraws:
    return draw_strong(n, SIZE, torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def usb() -> Iterator[dict[str, Any]]:
    """What USB's RandAugment(3, 5) draws for 6,000 images: operations, strengths, size and centre."""
    ops: list[int] = []
    values: list[float] = []
    cutout: dict[str, list[float]] = {"size": [], "centre": []}

    def recorder(i: int) -> Any:
        return lambda img, v: (ops.append(i), values.append(v), img)[2]

    real, uniform, state = USB.Cutout, np.random.uniform, random.getstate()
    numpy_state = np.random.get_state()
    augment = USB.RandAugment(3, 5)
    augment.augment_list = [(recorder(i), *e[1:]) for i, e in enumerate(augment.augment_list)]

    def recorded(*bounds: float) -> float:
        cutout["centre"].append(uniform(*bounds))
        return cutout["centre"][-1]

    USB.Cutout = lambda img, v: (cutout["size"].append(v), real(img, v))[1]
    np.random.uniform = recorded  # type: ignore[assignment]
    try:
        random.seed(1)
        np.random.seed(1)
        image = to_pillow(pictures(SIZE, SIZE)[0])
        for _ in range(IMAGES):
            augment(image)
    finally:
        USB.Cutout, np.random.uniform = real, uniform  # type: ignore[assignment]
        random.setstate(state)
        np.random.set_state(numpy_state)
    yield {
        "ops": np.array(ops).reshape(IMAGES, 3),
        "values": np.array(values).reshape(IMAGES, 3),
        "size": np.array(cutout["size"]),
        "centre": np.array(cutout["centre"]).reshape(IMAGES, 2),
    }


def test_the_ranges_are_those_of_usb() -> None:
    assert tuple((float(low), float(high)) for _, low, high in USB.augment_list()) == DRAWN


@pytest.mark.parametrize("slot", range(3))
def test_operations_are_as_frequent(usb: dict[str, Any], slot: int) -> None:
    mine = np.bincount(ours().ops[:, slot].numpy(), minlength=len(Op))
    theirs = np.bincount(usb["ops"][:, slot], minlength=len(Op))
    assert stats.chisquare(mine).pvalue > SIGNIFICANCE
    assert stats.chi2_contingency(np.stack((mine, theirs))).pvalue > SIGNIFICANCE


@pytest.mark.parametrize("pair", [(0, 1), (0, 2), (1, 2)], ids=str)
def test_operations_are_independent_and_may_repeat(pair: tuple[int, int]) -> None:
    first, second = (ours().ops[:, i].numpy() for i in pair)
    table = np.bincount(first * len(Op) + second, minlength=len(Op) ** 2)
    assert stats.chisquare(table).pvalue > SIGNIFICANCE
    assert (table.reshape(len(Op), -1).diagonal() > 0).all()


@pytest.mark.parametrize("op", Op)
def test_strengths_are_distributed_alike(usb: dict[str, Any], op: Op) -> None:
    draws = ours()
    mine, theirs = draws.magnitudes[draws.ops == op].numpy(), usb["values"][usb["ops"] == op]
    assert min(len(mine), len(theirs)) > 1000
    low, high = DRAWN[op]
    assert mine.min() >= low and mine.max() <= high
    assert stats.ks_2samp(mine, theirs).pvalue > SIGNIFICANCE
    many = ours(60_000, seed=2)
    mine = many.magnitudes[many.ops == op].numpy()  # enough to see a range that is 3% too short
    assert stats.kstest(mine, stats.uniform(low, high - low).cdf).pvalue > SIGNIFICANCE


def test_cutout_is_distributed_alike(usb: dict[str, Any]) -> None:
    draws = ours()
    assert stats.ks_2samp(draws.cutout_size.numpy(), usb["size"]).pvalue > SIGNIFICANCE
    for axis in range(2):
        mine, theirs = draws.cutout_centre[:, axis].numpy(), usb["centre"][:, axis]
        assert stats.ks_2samp(mine, theirs).pvalue > SIGNIFICANCE
        # np.random.uniform(w) draws between w and 1
        assert 1.0 < min(mine.min(), theirs.min()) and max(mine.max(), theirs.max()) <= SIZE


def test_the_test_of_the_centre_would_see_a_range_from_zero(usb: dict[str, Any]) -> None:
    from_zero = np.linspace(0, SIZE, IMAGES)
    assert stats.ks_2samp(from_zero, usb["centre"][:, 0]).pvalue < 1e-10


def test_the_generator_alone_decides() -> None:
    before = torch.get_rng_state()
    first, again, other = ours(50), ours(50), ours(50, seed=1)
    for name in ("ops", "magnitudes", "cutout_size", "cutout_centre"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert not torch.equal(getattr(first, name), getattr(other, name))
    assert torch.equal(torch.get_rng_state(), before)


def test_shapes_parts_and_none_at_all() -> None:
    draws = draw_strong(7, SIZE, torch.Generator().manual_seed(0), num_ops=2)
    assert draws.ops.shape == draws.magnitudes.shape == (7, 2)
    part = draws.part(2, 5)
    assert torch.equal(part.ops, draws.ops[2:5])
    assert torch.equal(part.cutout_centre, draws.cutout_centre[2:5])
    assert ours(0).ops.shape == (0, 3)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("ops", torch.tensor([[14]]), "ops holds 14"),
        ("ops", torch.tensor([[-1]]), "ops holds -1"),
        ("ops", torch.tensor([[1]], dtype=torch.int32), "wanted int64"),
        ("ops", torch.zeros(1, 0, dtype=torch.int64), r"shape \(1, 0\)"),
        ("magnitudes", torch.tensor([[1.5]]).double(), "magnitudes holds 1.5"),
        ("magnitudes", torch.tensor([[torch.nan]]).double(), "magnitudes holds nan"),
        ("magnitudes", torch.tensor([[0.5]]), "wanted int64 and three times float64"),
        ("cutout_size", torch.tensor([0.6]).double(), "cutout_size holds 0.6"),
        ("cutout_centre", torch.tensor([[1.0, -1.0]]).double(), "cutout_centre holds -1.0"),
        ("cutout_centre", torch.tensor([1.0, 1.0]).double(), r"the others .*\(2,\)"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(
    field: str, value: torch.Tensor, message: str
) -> None:
    fields = {
        "ops": torch.tensor([[int(Op.BRIGHTNESS)]]),
        "magnitudes": torch.tensor([[0.5]]).double(),
        "cutout_size": torch.tensor([0.5]).double(),
        "cutout_centre": torch.tensor([[1.0, 1.0]]).double(),
    }
    StrongDraws(**fields)
    with pytest.raises(ValueError, match=message):
        StrongDraws(**fields | {field: value})
