"""The plan against a walk that follows each image through the slots by hand (LayerMatch, Table 7)."""

import pytest
import torch
from support.pillow import DEVICES

from usb_ext.augment.draws import Op, StrongDraws, draw_strong
from usb_ext.augment.geometry import COLOUR, cutout_lines, source_lines
from usb_ext.augment.ops import fixed_tables
from usb_ext.augment.plan import GROUPS, make_plan

CPU = torch.device("cpu")


def drawn(n: int, num_ops: int = 3, seed: int = 0) -> StrongDraws:
    return draw_strong(n, 8, torch.Generator().manual_seed(seed), num_ops)


def test_every_operation_is_in_one_group() -> None:
    assert sorted(op for ops in GROUPS.values() for op in ops) == sorted(Op)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("n", "num_ops"), [(1, 1), (3, 2), (40, 3), (40, 5)])
def test_each_image_meets_its_own_operations(n: int, num_ops: int, device: str) -> None:
    draws = drawn(n, num_ops)
    plan = make_plan(draws, 8, 9, torch.device(device))
    buffer = list(range(n))  # which image lies where
    for s, slot in enumerate(plan.slots):
        buffer = [buffer[place] for place in slot.rows.tolist()]
        assert slot.strength.tolist() == draws.magnitudes[buffer, s].float().tolist()
        for name, span in slot.spans.items():
            assert all(draws.ops[i, s].item() in GROUPS[name] for i in buffer[span])
        assert sum(span.stop - span.start for span in slot.spans.values()) == n
        for name, values, make in (
            ("fixed", slot.tables, fixed_tables),
            ("geometry", slot.lines, lambda o, m: source_lines(o, m, 8, 9)),
        ):
            members = buffer[slot.spans[name]]
            wanted = make(draws.ops[members, s], draws.magnitudes[members, s])
            assert torch.equal(values.cpu(), wanted)
    assert [buffer[place] for place in plan.restore.tolist()] == list(range(n))
    assert len(plan.slots) == num_ops


def test_cutout_stays_in_the_original_order() -> None:
    draws = drawn(20)
    rows, columns, colour = make_plan(draws, 8, 9, CPU).cutout
    wanted = cutout_lines(draws.cutout_size, draws.cutout_centre, 8, 9)
    assert torch.equal(rows, wanted[0]) and torch.equal(columns, wanted[1])
    assert torch.equal(colour, COLOUR)


def test_of_no_image() -> None:
    plan = make_plan(drawn(0), 8, 8, CPU)
    assert len(plan.slots) == 3 and plan.restore.shape == (0,)
