"""From an image or a point to the network: against torchvision and Pillow called here; what is refused."""

import io
import json
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from usb_ext.augment.usb_views import Jitter, eval_transform, weak_transform
from usb_ext.data.preprocessing import (
    ImagePreprocessing,
    PointPreprocessing,
    from_json,
    preprocessing_of,
)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pixels(height: int, width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def normalised(image: Image.Image) -> torch.Tensor:
    """By hand: levels by 255, less the mean, by the deviation, channels first."""
    levels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float() / 255
    return (levels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def test_a_square_of_the_right_size_is_only_normalised() -> None:
    found = ImagePreprocessing(8, MEAN, STD)(pixels(8, 8))
    assert (found.shape, found.dtype) == ((3, 8, 8), torch.float32)
    assert torch.equal(found, normalised(Image.fromarray(pixels(8, 8))))


@pytest.mark.parametrize(("height", "width"), [(20, 30), (31, 17), (5, 9), (64, 64)])
def test_another_image_gives_its_largest_centred_square(height: int, width: int) -> None:
    side, size = min(height, width), 16
    left, top = (width - side) / 2, (height - side) / 2
    image = Image.fromarray(pixels(height, width))
    box = (left, top, left + side, top + side)
    square = image.resize((size, size), Image.Resampling.BILINEAR, box=box)
    assert torch.equal(ImagePreprocessing(size, MEAN, STD)(image), normalised(square))


@pytest.mark.parametrize(("height", "width"), [(40, 32), (32, 40), (20, 20), (100, 61)])
def test_with_resize_it_is_usbs_evaluation_of_imagenet(height: int, width: int) -> None:
    usb = transforms.Compose(
        [
            transforms.Resize(36),
            transforms.CenterCrop(32),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    image = Image.fromarray(pixels(height, width))
    read = preprocessing_of({"eval": SimpleNamespace(transform=usb)})
    assert read == ImagePreprocessing(32, MEAN, STD, resize=36)
    assert torch.equal(read(image), usb(image))


def test_an_array_is_the_image_that_it_holds() -> None:
    for prepare in (ImagePreprocessing(8, MEAN, STD), ImagePreprocessing(8, MEAN, STD, resize=9)):
        assert torch.equal(prepare(pixels(11, 13)), prepare(Image.fromarray(pixels(11, 13))))


def test_modes_and_orientation_of_files_are_those_of_decoding() -> None:
    prepare = ImagePreprocessing(8, MEAN, STD)
    grey = Image.fromarray(pixels(8, 8)[..., 0])
    assert torch.equal(prepare(grey), normalised(grey.convert("RGB")))
    clear = Image.new("RGBA", (8, 8), (10, 20, 30, 0))
    assert torch.equal(prepare(clear), normalised(Image.new("RGB", (8, 8), "white")))
    turned, file = Image.fromarray(pixels(8, 8)), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    turned.save(file, "PNG", exif=exif)
    upright = turned.transpose(Image.Transpose.ROTATE_180)
    assert torch.equal(prepare(Image.open(file)), normalised(upright))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (pixels(8, 8).astype(np.float32), "got float32 of shape (8, 8, 3)"),
        (pixels(8, 8).transpose(2, 0, 1), "got uint8 of shape (3, 8, 8)"),
        (pixels(8, 8)[None], "got uint8 of shape (1, 8, 8, 3)"),
        ("photo.jpg", "got str"),
        (None, "got NoneType"),
    ],
    ids=str,
)
def test_what_is_no_image_is_refused(wrong: Any, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        ImagePreprocessing(8, MEAN, STD)(wrong)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_point_is_itself() -> None:
    for point in ([0.5, -2], np.array([0.5, -2.0]), torch.tensor([0.5, -2.0])):
        found = PointPreprocessing(2)(point)
        assert found.dtype == torch.float32 and found.tolist() == [0.5, -2.0]
    with pytest.raises(ValueError, match=r"a point has 2 numbers, got shape \(3,\)"):
        PointPreprocessing(2)([1, 2, 3])


KINDS = [
    ImagePreprocessing(8, MEAN, STD),
    ImagePreprocessing(8, MEAN, STD, resize=9),
    PointPreprocessing(5),
]


@pytest.mark.parametrize("prepare", KINDS, ids=str)
def test_it_comes_back_from_json_and_from_pickle(prepare: Any) -> None:
    written = json.loads(json.dumps(prepare.to_json()))
    assert written["shape"] == ([5] if isinstance(prepare, PointPreprocessing) else [3, 8, 8])
    assert from_json(written) == prepare == pickle.loads(pickle.dumps(prepare))


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "sound"}, {"shape": [3, 8, 9]}, {"shape": [1, 8, 8]}, {"shape": []}, {"mean": 0.5},
        {"std": ["a", "b", "c"]},
    ],
    ids=str,
)  # fmt: skip
def test_other_values_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, IndexError)):
        from_json({**KINDS[0].to_json(), **changed})


def test_the_evaluation_set_tells_or_else_the_labelled_one() -> None:
    look, noisy = (MEAN, STD), transforms.Compose([transforms.ColorJitter()])
    evaluation = SimpleNamespace(transform=eval_transform(12, *look))
    labelled = SimpleNamespace(transform=weak_transform(12, 0.875, *look, True))
    expected = ImagePreprocessing(12, MEAN, STD)
    assert preprocessing_of({"eval": evaluation, "train_lb": labelled}) == expected
    assert preprocessing_of({"eval": None, "test": None, "train_lb": labelled}) == expected
    points = SimpleNamespace(transform=Jitter(0.3), data=torch.zeros(7, 2))
    assert preprocessing_of({"eval": None, "train_lb": points}) == PointPreprocessing(2)
    for unknown in (SimpleNamespace(transform=noisy), SimpleNamespace(transform=None)):
        assert preprocessing_of({"eval": unknown}) is None
    assert preprocessing_of({"eval": SimpleNamespace()}) is None
