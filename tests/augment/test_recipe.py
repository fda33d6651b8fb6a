"""A view's recipe read out of torchvision's steps, and pipelines of another pattern left alone."""

from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from usb_ext.augment.recipe import (
    Recipe,
    labelled_views,
    recipe_of,
    resized,
    resized_one,
    unlabelled_views,
)
from usb_ext.augment.usb_views import eval_transform, strong_transform, weak_transform
from usb_ext.upstream.usb import RandAugment

MEAN, STD = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
TAIL = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]


def crop(**changed: Any) -> Any:
    return transforms.RandomCrop(24, **{"padding": 3, "padding_mode": "reflect", **changed})


@pytest.mark.parametrize(
    ("steps", "padding", "hflip", "num_ops"),
    [
        ([], None, False, 0),
        ([crop()], 3, False, 0),
        ([crop(), transforms.RandomHorizontalFlip()], 3, True, 0),
        ([crop(), transforms.RandomHorizontalFlip(), RandAugment(3, 5)], 3, True, 3),
        ([RandAugment(2, 5)], None, False, 2),
    ],
    ids=lambda v: str(len(v)) if isinstance(v, list) else str(v),
)
def test_each_step_stands_in_the_recipe(
    steps: list[Any], padding: int | None, hflip: bool, num_ops: int
) -> None:
    found = recipe_of(transforms.Compose([transforms.Resize(24), *steps, *TAIL]))
    assert found == Recipe(24, padding, hflip, num_ops, MEAN, STD)


@pytest.mark.parametrize(
    "steps",
    [
        [transforms.RandomResizedCrop(24), *TAIL],
        [transforms.Resize(24), transforms.RandomHorizontalFlip(), crop(), *TAIL],
        [transforms.Resize(24), crop(), crop(), *TAIL],
        [transforms.Resize(24), crop(padding_mode="constant"), *TAIL],
        [transforms.Resize(24), crop(padding=[1, 2]), *TAIL],
        [transforms.Resize(24), transforms.ColorJitter(0.5), *TAIL],
        [transforms.Resize(24), transforms.ToTensor()],
        [],
    ],
    ids=["resized crop", "flip first", "two crops", "black border", "uneven border", "jitter",
         "no normalise", "nothing"],
)  # fmt: skip
def test_another_pattern_has_no_recipe(steps: list[Any]) -> None:
    assert recipe_of(transforms.Compose(steps)) is None


def test_what_is_no_pipeline_has_none() -> None:
    assert recipe_of(None) is None and recipe_of(lambda image: image) is None


def test_usbs_views_of_ours_have_recipes() -> None:
    """RandAugment(3, 5) after the crop; an eighth of the side on the border for crop_ratio 0.875."""
    look = (MEAN, STD)
    weak = weak_transform(16, 0.875, *look, hflip=False)
    strong = strong_transform(16, 0.875, *look, hflip=True, rand_augment=RandAugment(3, 5))
    assert recipe_of(weak) == Recipe(16, 2, False, 0, MEAN, STD)
    assert recipe_of(strong) == Recipe(16, 2, True, 3, MEAN, STD)
    assert recipe_of(eval_transform(16, *look)) == Recipe(16, None, False, 0, MEAN, STD)


def test_images_are_resized_as_torchvision_does_and_once() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 12, 12, 3), dtype=np.uint8)
    assert resized(images, 12) is images
    wanted = [np.asarray(transforms.Resize(20)(Image.fromarray(image))) for image in images]
    np.testing.assert_array_equal(resized(images, 20), wanted)
    wide = resized_one(images[0][:6], 8)
    assert wide.shape == (8, 16, 3)  # the shorter side becomes 8
    with pytest.raises(ValueError, match="6 x 12, not square"):
        resized(images[:, :6], 8)


@pytest.mark.parametrize(
    ("algorithm", "weak", "strong"),
    [
        ("fixmatch", ["x_ulb_w"], ["x_ulb_s"]),
        ("layermatch", ["x_ulb_w"], ["x_ulb_s"]),
        ("pseudolabel", ["x_ulb_w"], []),
        ("smoothpseudolabel", ["x_ulb_w"], []),
        ("mixmatch", ["x_ulb_w", "x_ulb_s"], []),
        ("comatch", ["x_ulb_w"], ["x_ulb_s_0", "x_ulb_s_1"]),
        ("supervised", [], []),
        ("somebody_elses", ["x_ulb_w"], ["x_ulb_s"]),
    ],
)
def test_views_by_the_name_of_the_algorithm(
    algorithm: str, weak: list[str], strong: list[str]
) -> None:
    found = unlabelled_views(algorithm)
    assert [name for name, kind in found.items() if kind == "weak"] == weak
    assert [name for name, kind in found.items() if kind == "strong"] == strong


def test_one_algorithm_wants_labelled_images_twice_and_one_turns_them() -> None:
    assert labelled_views("defixmatch") == {"x_lb": "weak", "x_lb_s": "strong"}
    assert labelled_views("fixmatch") == {"x_lb": "weak"}
    assert unlabelled_views("remixmatch")["x_ulb_s_0_rot"] == "rotated"
