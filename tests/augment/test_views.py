"""Whole views against USB's and torchvision's pipelines with the same draws (LayerMatch, Table 7)."""

from typing import Any

import pytest
import torch
from support.pillow import DEVICES, SIZES, pictures, to_pillow, usb_strong
from support.torchvision_crop import torchvision_view
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision import transforms

from usb_ext.augment import views as batch_augment
from usb_ext.augment.draws import StrongDraws, WeakDraws, draw_strong, draw_weak
from usb_ext.augment.views import normalise, strong_view, weak_view

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)


def batch(n: int, height: int, width: int) -> torch.Tensor:
    return torch.cat([pictures(height, width, seed) for seed in range(-(-n // 21))])[:n]


def strong_draws(n: int, size: int, seed: int = 0, num_ops: int = 3) -> StrongDraws:
    return draw_strong(n, size, torch.Generator().manual_seed(seed), num_ops)


def weak_draws(n: int, padding: int = 3) -> WeakDraws:
    return draw_weak(n, padding, True, torch.Generator().manual_seed(0))


def chosen(draws: StrongDraws, at: torch.Tensor) -> StrongDraws:
    return StrongDraws(
        draws.ops[at], draws.magnitudes[at], draws.cutout_size[at], draws.cutout_centre[at]
    )


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("device", DEVICES)
def test_the_strong_view_is_usbs(device: str, size: tuple[int, int]) -> None:
    images, draws = batch(420, *size), strong_draws(420, min(size), seed=size[0])
    got = strong_view(images.to(device), draws)
    assert got.dtype == torch.uint8 and got.is_contiguous()
    for i, image in enumerate(images):
        assert torch.equal(got[i].cpu(), usb_strong(image, draws, i)), (i, draws.part(i, i + 1))


@pytest.mark.parametrize("num_ops", [1, 2, 6])
def test_other_numbers_of_operations(num_ops: int) -> None:
    images, draws = batch(84, 9, 9), strong_draws(84, 9, num_ops=num_ops)
    got = strong_view(images, draws)
    for i, image in enumerate(images):
        assert torch.equal(got[i], usb_strong(image, draws, i))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("device", DEVICES)
def test_the_weak_view_is_torchvisions(device: str, size: tuple[int, int]) -> None:
    images, draws = batch(105, *size), weak_draws(105)
    got = weak_view(images.to(device), draws).cpu()
    for i, image in enumerate(images):
        wanted = torchvision_view(image, draws.shift[i].tolist(), bool(draws.flip[i]), 3)
        assert torch.equal(got[i], wanted)


@pytest.mark.parametrize("device", DEVICES)
def test_normalise_is_torchvisions(device: str) -> None:
    images = batch(21, 16, 17)
    theirs = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    wanted = torch.stack([theirs(to_pillow(image)) for image in images])
    got = normalise(images.to(device), MEAN, STD)
    assert torch.equal(got.cpu(), wanted)
    half = normalise(images.to(device), MEAN, STD, torch.bfloat16)
    assert torch.equal(half.cpu(), wanted.to(torch.bfloat16))


@pytest.mark.parametrize("device", DEVICES)
def test_an_image_does_not_depend_on_its_neighbours(device: str) -> None:
    images, draws = batch(300, 16, 16).to(device), strong_draws(300, 16)
    together = strong_view(images, draws)
    at = torch.randperm(300, generator=torch.Generator().manual_seed(1))[:200]
    assert torch.equal(strong_view(images[at], chosen(draws, at)), together[at])
    for i in range(0, 300, 13):
        alone = strong_view(images[i : i + 1], draws.part(i, i + 1))
        assert torch.equal(alone, together[i : i + 1])
    assert torch.equal(strong_view(images[:0], draws.part(0, 0)), together[:0])


@pytest.mark.parametrize("per_part", [0, 1, 7, 64])
def test_working_in_parts_changes_nothing(per_part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    images, strong, weak = batch(64, 8, 8), strong_draws(64, 8), weak_draws(64)
    wanted = strong_view(images, strong), weak_view(images, weak)
    monkeypatch.setattr(batch_augment, "_PART", per_part * 3 * 8 * 8)
    assert torch.equal(strong_view(images, strong), wanted[0])
    assert torch.equal(weak_view(images, weak), wanted[1])


@pytest.mark.parametrize("device", DEVICES)
def test_the_memory_format_changes_nothing(device: str) -> None:
    images, strong, weak = batch(100, 16, 16).to(device), strong_draws(100, 16), weak_draws(100)
    last = images.contiguous(memory_format=torch.channels_last)
    before = images.clone()
    assert torch.equal(strong_view(last, strong), strong_view(images, strong))
    assert torch.equal(weak_view(last, weak), weak_view(images, weak))
    assert torch.equal(normalise(last, MEAN, STD), normalise(images, MEAN, STD))
    assert normalise(last, MEAN, STD).is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, before) and torch.equal(last, before)


def test_the_result_can_be_trained_on_and_written_to() -> None:
    """The kernels run in inference mode; what comes out must not be an inference tensor."""
    views = strong_view(batch(21, 8, 8), strong_draws(21, 8))
    views.add_(0)
    convolution = torch.nn.Conv2d(3, 2, 3)
    convolution(normalise(views, MEAN, STD)).sum().backward()
    assert not views.is_inference() and convolution.weight.grad is not None


class Counter(TorchDispatchMode):
    """Counts the operations on tensors of a device."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device, self.calls = device, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        first = out[0] if isinstance(out, list | tuple) else out
        self.calls += isinstance(first, torch.Tensor) and first.device.type == self.device
        return out


def test_nothing_reads_back_from_the_device_and_nothing_loops_over_images() -> None:
    """Tensors of the device `meta` have no values: whatever needs one (item, nonzero, masks) raises."""
    calls = []
    for n in (300, 3000):
        images, counter = (
            torch.empty(n, 3, 16, 16, dtype=torch.uint8, device="meta"),
            Counter("meta"),
        )
        with counter:
            views = strong_view(weak_view(images, weak_draws(n)), strong_draws(n, 16))
            ready = normalise(views, MEAN, STD)
        assert ready.device.type == "meta" and ready.shape == images.shape
        calls.append(counter.calls)
    assert calls[0] == calls[1] < 700


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 3, 8, 8), r"torch.float32 of shape \(2, 3, 8, 8\); wanted torch.uint8"),
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), r"\(2, 1, 8, 8\); wanted .* \(n, 3, H, W\)"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), r"\(3, 8, 8\); wanted"),
        (torch.zeros(3, 3, 8, 8, dtype=torch.uint8), "3 images but draws for 2"),
    ],
)
def test_other_images_are_refused(images: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        strong_view(images, strong_draws(2, 8))
    with pytest.raises(ValueError, match=message):
        weak_view(images, weak_draws(2))
