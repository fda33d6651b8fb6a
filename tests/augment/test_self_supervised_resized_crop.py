"""Random resized crops of a batch against torchvision's, image by image and in distribution."""

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision import transforms
from torchvision.transforms import functional as tv

from usb_ext.augment.self_supervised import SHAPES, draw_boxes, resized_crop

SIGNIFICANCE, MANY = 1e-4, 4000


def images(n: int, size: int) -> torch.Tensor:
    return torch.rand(
        n, 3, size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )


@pytest.mark.parametrize("size", [8, 16, 33])
@pytest.mark.parametrize("antialias", [True, False])
def test_each_image_is_torchvisions(size: int, antialias: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    boxes = draw_boxes(40, size, (0.05, 1.0), generator)
    boxes[0] = torch.tensor([0, 0, size, size])
    boxes[1] = torch.tensor([size - 1, size - 1, 1, 1])
    flip = torch.rand(40, generator=generator) < 0.5
    given = images(40, size)
    made = resized_crop(given, boxes, flip)
    for image, box, mirrored, got in zip(given, boxes.tolist(), flip.tolist(), made, strict=True):
        wanted = tv.resized_crop(image, *box, [size, size], antialias=antialias)
        wanted = tv.hflip(wanted) if mirrored else wanted
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-9)


def test_the_whole_box_is_the_image_and_a_pixel_is_flat() -> None:
    given = images(2, 8)
    boxes = torch.tensor([[0, 0, 8, 8], [3, 5, 1, 1]])
    made = resized_crop(given, boxes, torch.tensor([False, False]))
    torch.testing.assert_close(made[0], given[0], rtol=0, atol=1e-12)
    torch.testing.assert_close(made[1], given[1, :, 3:4, 5:6].expand(3, 8, 8), rtol=0, atol=1e-12)


def drawn(area: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Ours and torchvision's boxes of a 32-pixel image."""
    ours = draw_boxes(MANY, 32, area, torch.Generator().manual_seed(2)).numpy()
    state = torch.get_rng_state()
    torch.manual_seed(3)
    blank = torch.zeros(3, 32, 32)
    get = transforms.RandomResizedCrop.get_params
    theirs = np.array([get(blank, list(area), list(SHAPES)) for _ in range(MANY)])
    torch.set_rng_state(state)
    return ours, theirs


@pytest.mark.parametrize("area", [(0.2, 1.0), (0.9, 1.0)])
def test_boxes_are_drawn_as_torchvision_draws_them(area: tuple[float, float]) -> None:
    ours, theirs = drawn(area)
    for column in range(4):
        table = [np.bincount(v[:, column], minlength=33) for v in (ours, theirs)]
        occurring = np.stack(table)[:, sum(table) > 20]
        assert stats.chi2_contingency(occurring).pvalue > SIGNIFICANCE
    areas = [v[:, 2] * v[:, 3] for v in (ours, theirs)]
    assert stats.ks_2samp(*areas).pvalue > SIGNIFICANCE


def test_boxes_lie_inside_and_whole_images_stand_in_where_nothing_fits() -> None:
    boxes = draw_boxes(500, 5, (0.01, 1.0), torch.Generator().manual_seed(4))
    assert boxes.min() >= 0 and (boxes[:, 2:] >= 1).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= 5).all()
    wide = draw_boxes(50, 16, (0.9, 1.0), torch.Generator().manual_seed(5), shapes=(3.0, 4.0))
    assert wide.tolist() == [[0, 0, 16, 16]] * 50


def test_the_generator_alone_decides() -> None:
    before = torch.get_rng_state()
    first, again = (draw_boxes(9, 16, (0.2, 1), torch.Generator().manual_seed(6)) for _ in "ab")
    assert torch.equal(first, again) and torch.equal(torch.get_rng_state(), before)
    assert draw_boxes(0, 16, (0.2, 1), torch.Generator()).shape == (0, 4)
