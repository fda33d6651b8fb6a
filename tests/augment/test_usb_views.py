"""USB's weak, strong and evaluation transforms: pixels by hand, and the steps they are made of."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from usb_ext.augment.usb_views import eval_transform, strong_transform, weak_transform
from usb_ext.core.errors import SettingsError

S, RATIO = 16, 0.875  # padding int(16 * 0.125) = 2
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
PIXELS = np.random.default_rng(0).integers(0, 256, (S, S, 3), dtype=np.uint8)


def normalised(pixels):
    return ((pixels / 255.0 - MEAN) / STD).transpose(2, 0, 1)


def crops(pixels, padding, mirrored):
    """Every view the weak transform may give: reflect, cut, mirror, by index arithmetic."""
    side = len(pixels)

    def reflect(i):
        return -i if i < 0 else 2 * (side - 1) - i if i >= side else i

    for top in range(-padding, padding + 1):
        for left in range(-padding, padding + 1):
            rows = [reflect(top + i) for i in range(side)]
            columns = [reflect(left + i) for i in range(side)]
            cut = pixels[np.ix_(rows, columns)]
            yield (top, left, False), normalised(cut)
            if mirrored:
                yield (top, left, True), normalised(cut[:, ::-1])


def which(view, padding=2, mirrored=True):
    """The one (top, left, mirrored) that gives this view."""
    found = [k for k, v in crops(PIXELS, padding, mirrored) if np.allclose(v, view, atol=1e-5)]
    assert len(found) == 1
    return found[0]


def test_eval_only_normalises():
    view = eval_transform(S, MEAN, STD)(Image.fromarray(PIXELS))
    assert view.dtype == torch.float32
    assert np.allclose(view, normalised(PIXELS), atol=1e-6)


def test_views_resize():
    for transform in (eval_transform(8, MEAN, STD), weak_transform(8, 1.0, MEAN, STD, False)):
        view = transform(Image.new("RGB", (S, S), (255, 0, 0)))
        assert view.shape == (3, 8, 8)
        assert np.allclose(view, normalised(np.full((8, 8, 3), (255, 0, 0))), atol=1e-5)


def test_weak_shifts_and_mirrors():
    torch.manual_seed(0)
    weak = weak_transform(S, RATIO, MEAN, STD, hflip=True)
    seen = {which(weak(Image.fromarray(PIXELS))) for _ in range(60)}
    assert {top for top, _, _ in seen} == {left for _, left, _ in seen} == {-2, -1, 0, 1, 2}
    assert {mirrored for _, _, mirrored in seen} == {True, False}


def test_weak_without_mirror_or_padding():
    torch.manual_seed(0)
    weak = weak_transform(S, RATIO, MEAN, STD, hflip=False)
    assert not any(which(weak(Image.fromarray(PIXELS)))[2] for _ in range(20))
    still = weak_transform(S, 1.0, MEAN, STD, hflip=False)
    assert np.allclose(still(Image.fromarray(PIXELS)), normalised(PIXELS), atol=1e-5)


def test_strong_is_weak_then_rand_augment_then_tensor():
    """With inversion as the augmentation, the strong view is the weak one of inverted pixels."""
    seen = []

    def invert(image):
        seen.append(image.size)
        return ImageOps.invert(image)

    strong = strong_transform(S, RATIO, MEAN, STD, True, invert)
    weak = weak_transform(S, RATIO, MEAN, STD, True)
    for seed in range(5):
        torch.manual_seed(seed)
        view = strong(Image.fromarray(PIXELS))
        torch.manual_seed(seed)
        assert torch.equal(view, weak(Image.fromarray(255 - PIXELS)))
    assert seen == [(S, S)] * 5


@pytest.mark.parametrize("ratio", [0.0, -1.0, 1.5])
def test_crop_ratio_out_of_range(ratio):
    with pytest.raises(SettingsError, match=f"crop_ratio is {ratio}"):
        weak_transform(S, ratio, MEAN, STD, True)


def test_size_out_of_range():
    with pytest.raises(SettingsError, match="img_size is 0"):
        eval_transform(0, MEAN, STD)
    with pytest.raises(SettingsError, match="img_size is -1"):
        strong_transform(-1, RATIO, MEAN, STD, True, ImageOps.invert)
