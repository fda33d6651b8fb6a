"""Shift, mirrored borders and flip against torchvision's on Pillow images (LayerMatch, Table 7: weak)."""

import numpy as np
import pytest
import torch
from test_batch_pictures import DEVICES, SIZES, from_pillow, pictures, to_pillow
from torchvision.transforms import functional as TF

from usb_ext.augment.geometry import crop, crop_lines, reflect


@pytest.mark.parametrize("length", [1, 2, 3, 8])
@pytest.mark.parametrize("padding", [0, 1, 3, 7, 20])
def test_reflection_is_that_of_numpy(length: int, padding: int) -> None:
    wanted = np.pad(np.arange(length), padding, mode="reflect")
    got = reflect(torch.arange(-padding, length + padding), length)
    assert got.tolist() == wanted.tolist()


def torchvision_view(image: torch.Tensor, shift: list[int], flip: bool, pad: int) -> torch.Tensor:
    """Pad all around, crop at the corner that the shift means, mirror."""
    height, width = image.shape[1:]
    padded = TF.pad(to_pillow(image), pad, padding_mode="reflect")
    cropped = TF.crop(padded, shift[0] + pad, shift[1] + pad, height, width)
    return from_pillow(TF.hflip(cropped) if flip else cropped)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("padding", [0, 1, 4, 7])
@pytest.mark.parametrize("device", DEVICES)
def test_every_shift_and_flip(device: str, padding: int, size: tuple[int, int]) -> None:
    axis = torch.arange(-padding, padding + 1)
    every = torch.cartesian_prod(axis, axis, torch.tensor([0, 1]))
    shift, flip = every[:, :2], every[:, 2] == 1
    images = pictures(*size)[torch.arange(len(every)) % 21]
    lines = crop_lines(shift, flip, *size)
    got = crop(images.to(device), *(line.to(device) for line in lines)).cpu()
    for i, image in enumerate(images):
        wanted = torchvision_view(image, shift[i].tolist(), bool(flip[i]), padding)
        assert torch.equal(got[i], wanted), every[i].tolist()
