"""Per-example gradients of convolutions of every kind, against batches of one; and the two ways alike."""

from typing import Any

import pytest
import torch
from support.gradients import assert_equal, by_hand
from support.nets import prepared
from torch import nn

from usb_ext.methods.influence.per_example.gradients import per_example_gradients
from usb_ext.methods.influence.per_example.layers import by_columns, by_groups

CONVOLUTIONS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "plain, many positions": (nn.Conv2d(3, 4, 3, padding=1), (3, 12, 12)),
    "plain, few positions": (nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 0)), (3, 7, 8)),
    "dilated, few": (nn.Conv2d(3, 4, 2, dilation=(2, 3), bias=False), (3, 8, 8)),
    "dilated and strided, many": (nn.Conv2d(2, 4, 3, stride=2, dilation=2, padding=3), (2, 27, 25)),
    "groups": (nn.Conv2d(4, 6, 3, groups=2, padding=1), (4, 5, 6)),
    "depthwise": (nn.Conv2d(4, 8, 3, groups=4, stride=2), (4, 7, 7)),
    "reflect": (nn.Conv2d(3, 4, 3, padding=(2, 1), padding_mode="reflect"), (3, 6, 5)),
    "same": (nn.Conv2d(3, 4, (2, 3), padding="same"), (3, 6, 5)),
    "circular 1d": (nn.Conv1d(3, 4, 5, padding=2, padding_mode="circular", stride=2), (3, 11)),
    "3d": (nn.Conv3d(2, 3, 2, stride=(1, 2, 1), padding=1), (2, 3, 4, 5)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name: str) -> None:
    layer, shape = CONVOLUTIONS[name]
    net = prepared(layer)
    x = torch.randn(5, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))

    def losses(net: Any, batch: torch.Tensor) -> torch.Tensor:
        return net(batch).tanh().square().flatten(1).sum(1)

    assert_equal(per_example_gradients(net, losses, x), by_hand(net, losses, x))


def test_both_ways_are_the_sum_over_positions_by_index() -> None:
    """g[b, o, c, i, j] = sum over (y, x) of slope[b, o, y, x] input[b, c, 2 y + i - 1, x + 2 j - 1]."""
    layer = nn.Conv2d(2, 3, (2, 3), stride=(2, 1), padding=1, dilation=(1, 2)).double()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 2, 5, 6, generator=generator, dtype=torch.float64)
    slopes = torch.randn(layer(x).shape, generator=generator, dtype=torch.float64)
    wanted = torch.zeros(2, *layer.weight.shape, dtype=torch.float64)
    for b, o, c, i, j in torch.cartesian_prod(*map(torch.arange, wanted.shape)).tolist():
        for row in range(slopes.shape[2]):
            for column in range(slopes.shape[3]):
                r, k = 2 * row + i - 1, column + 2 * j - 1
                if 0 <= r < 5 and 0 <= k < 6:
                    wanted[b, o, c, i, j] += slopes[b, o, row, column] * x[b, c, r, k]
    for way in (by_columns, by_groups):
        torch.testing.assert_close(way(layer, x, slopes, (1, 1)), wanted)
