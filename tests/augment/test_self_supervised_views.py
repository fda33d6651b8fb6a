"""Self-supervised views and their draws against torchvision's functions, image by image."""

import pytest
import torch
from torchvision.transforms import functional as tv

from usb_ext.augment.self_supervised import ViewDraws, ViewRecipe, draw_views, self_supervised_view

RECIPE = ViewRecipe(jitter_p=0.7, grey_p=0.3)
STEPS = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)
DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])


def pictures(n: int, size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 3, size, size), generator=generator, dtype=torch.uint8)


def one_by_one(images: torch.Tensor, draws: ViewDraws) -> torch.Tensor:
    """The same views by torchvision, an image at a time, one operation after the other."""
    made = []
    for i, image in enumerate(images):
        size = image.shape[-1]
        view = tv.resized_crop(image.double() / 255, *draws.boxes[i].tolist(), [size, size])
        if draws.flip[i]:
            view = tv.hflip(view)
        if draws.jittered[i]:
            for op in draws.order[i].tolist():
                view = STEPS[op](view, draws.factors[i, op].item())
        if draws.grey[i]:
            view = tv.rgb_to_grayscale(view, num_output_channels=3)
        made.append(view)
    return torch.stack(made)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [16, 32])
def test_each_view_is_torchvisions(size: int, device: str) -> None:
    images = pictures(48, size)
    draws = draw_views(48, size, RECIPE, torch.Generator().manual_seed(1))
    assert (
        draws.jittered.any() and not draws.jittered.all() and draws.grey.any() and draws.flip.any()
    )
    made = self_supervised_view(images.to(device), draws)
    assert made.dtype == torch.float32 and 0 <= made.min() and made.max() <= 1
    torch.testing.assert_close(made.cpu().double(), one_by_one(images, draws), rtol=0, atol=2e-5)


def test_a_view_does_not_depend_on_the_others_of_its_batch() -> None:
    images, draws = pictures(8, 16), draw_views(8, 16, RECIPE, torch.Generator().manual_seed(2))
    whole = self_supervised_view(images, draws)
    for i in range(8):
        part = ViewDraws(**{name: value[i : i + 1] for name, value in vars(draws).items()})
        torch.testing.assert_close(self_supervised_view(images[i : i + 1], part)[0], whole[i])


def test_without_anything_to_do_a_view_is_the_image() -> None:
    plain = ViewRecipe(crop_min=1.0, hflip=False, jitter_p=0.0, grey_p=0.0)
    draws = draw_views(400, 16, plain, torch.Generator().manual_seed(3))
    square = (draws.boxes == torch.tensor([0, 0, 16, 16])).all(1)
    images = pictures(400, 16)
    assert square.any()
    made = self_supervised_view(images, draws)[square]
    torch.testing.assert_close(made, images[square].float() / 255, rtol=0, atol=1e-6)


def test_other_images_are_refused() -> None:
    draws = draw_views(2, 16, RECIPE, torch.Generator())
    with pytest.raises(ValueError, match="wanted torch.uint8"):
        self_supervised_view(torch.zeros(2, 3, 16, 16), draws)
    with pytest.raises(ValueError, match="3 images but draws for 2"):
        self_supervised_view(pictures(3, 16), draws)
