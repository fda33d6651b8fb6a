"""Shift, mirrored borders and flip against torchvision's on Pillow images (LayerMatch, Table 7: weak)."""

import numpy as np
import pytest
import torch
from support.pillow import DEVICES, SIZES, pictures
from support.torchvision_crop import torchvision_view

from usb_ext.augment.geometry import crop, crop_lines, reflect


@pytest.mark.parametrize("length", [1, 2, 3, 8])
@pytest.mark.parametrize("padding", [0, 1, 3, 7, 20])
def test_reflection_is_that_of_numpy(length: int, padding: int) -> None:
    wanted = np.pad(np.arange(length), padding, mode="reflect")
    got = reflect(torch.arange(-padding, length + padding), length)
    assert got.tolist() == wanted.tolist()


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
