"""Many tensors in one buffer and out again, unchanged."""

import pytest
import torch
from support.pillow import DEVICES

from usb_ext.augment.transfer import move_together, pack, unpack


def mixed() -> list[torch.Tensor]:
    """Types of 1, 4 and 8 bytes, odd sizes in between, an empty one, a transposed one."""
    return [
        torch.arange(7, dtype=torch.uint8),
        torch.linspace(-1, 1, 15, dtype=torch.float64).view(3, 5),
        torch.zeros(0, 256, dtype=torch.uint8),
        torch.tensor([[1, -2], [3, 2**31 - 1]], dtype=torch.int32).T,
        torch.tensor([True, False, True]),
        torch.tensor([1e-30, 2.0]),
    ]


def assert_equal(got: list[torch.Tensor], wanted: list[torch.Tensor]) -> None:
    for mine, other in zip(got, wanted, strict=True):
        assert mine.dtype == other.dtype and torch.equal(mine.cpu(), other)


def test_there_and_back() -> None:
    tensors = mixed()
    assert_equal(unpack(pack(tensors), tensors), tensors)
    assert unpack(pack([]), []) == []


@pytest.mark.parametrize("device", DEVICES)
def test_on_the_device(device: str) -> None:
    tensors = mixed()
    got = move_together(tensors, torch.device(device))
    assert_equal(got, tensors)
    assert {t.device.type for t in got} == {device}


def test_one_storage_on_another_device() -> None:
    got = move_together(mixed(), torch.device("meta"))
    assert [t.shape for t in got] == [t.shape for t in mixed()]
    assert len({t.untyped_storage()._cdata for t in got}) == 1
