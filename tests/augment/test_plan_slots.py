"""One slot on a mixed batch against USB's functions one by one (LayerMatch, Table 7)."""

import pytest
import torch
from support.pillow import DEVICES, pictures, usb_result

from usb_ext.augment.draws import DRAWN, Op, StrongDraws
from usb_ext.augment.plan import apply_slot, make_plan


def one_slot(ops: torch.Tensor, share: float) -> StrongDraws:
    """One operation an image, at `share` of its range."""
    low, high = torch.tensor(DRAWN, dtype=torch.float64)[ops].unbind(-1)
    nothing = torch.zeros(len(ops), dtype=torch.float64)
    magnitudes = low + (high - low) * share
    return StrongDraws(ops[:, None], magnitudes[:, None], nothing, nothing[:, None].expand(-1, 2))


def assert_as_usb(ops: torch.Tensor, share: float, device: str) -> None:
    draws = one_slot(ops, share)
    images = pictures(12, 13)[torch.arange(len(ops)) % 21]
    plan = make_plan(draws, 12, 13, torch.device(device))
    got = apply_slot(images.to(device), plan.slots[0])[plan.restore].cpu()
    for i, image in enumerate(images):
        wanted = usb_result(image, ops[i].item(), draws.magnitudes[i, 0].item())
        assert torch.equal(got[i], wanted), Op(ops[i].item()).name


@pytest.mark.parametrize("share", [0.0, 0.37, 1.0])
@pytest.mark.parametrize("device", DEVICES)
def test_all_operations_at_once(device: str, share: float) -> None:
    generator = torch.Generator().manual_seed(0)
    assert_as_usb(torch.randperm(140, generator=generator) % len(Op), share, device)


@pytest.mark.parametrize("op", Op)
@pytest.mark.parametrize("device", DEVICES)
def test_one_operation_and_no_other(device: str, op: Op) -> None:
    assert_as_usb(torch.full((5,), int(op)), 0.61, device)


@pytest.mark.parametrize("op", Op)
def test_all_operations_but_one(op: Op) -> None:
    assert_as_usb(torch.tensor([o for o in Op if o != op]), 0.61, "cpu")
