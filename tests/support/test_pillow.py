"""Pictures that bring out differences, Pillow's answers to them, and the devices to ask.

The tests in `tests/augment` compare with these answers; those here see to it that the pictures are what
their names say.
"""

import torch

import usb_ext.upstream.usb  # noqa: F401  (loads semilearn)
from support.pillow import USB_OPS, from_pillow, pictures, to_pillow, usb_cutout, usb_result
from usb_ext.augment.draws import Op


def test_the_pictures_are_what_they_claim() -> None:
    images = pictures(16, 17)
    assert images.shape == (21, 3, 16, 17) and images.dtype == torch.uint8
    distinct = [[len(channel.unique()) for channel in image] for image in images]
    assert min(min(d) for d in distinct[:4]) > 100
    assert all(d == [1, 1, 1] for d in distinct[8:12])
    assert all(max(d) <= 2 for d in distinct[12:14]) and all(max(d) <= 4 for d in distinct[14:16])
    assert all(max(d) == 2 for d in distinct[16:20])
    assert len(images[20].flatten(1).unique(dim=1).T) == 16 * 17
    step = images[4:8].float().diff(dim=3).abs().mean()
    assert step < images[:4].float().diff(dim=3).abs().mean() / 3


def test_the_names_are_those_of_usb() -> None:
    names = [function.__name__.upper() for function in USB_OPS]
    assert names == [op.name.replace("_", "").replace("COLOUR", "COLOR") for op in Op]


def test_the_way_to_pillow_and_back() -> None:
    image = pictures(8, 9)[0]
    assert torch.equal(from_pillow(to_pillow(image)), image)
    assert torch.equal(usb_result(image, Op.IDENTITY, 0.3), image)
    assert torch.equal(usb_cutout(image, 0.0, (3.0, 3.0)), image)
