"""FreeMatchThreshold against USB's hook over many batches, in float64."""

from types import SimpleNamespace

import pytest
import torch

from usb_ext.methods.bases.freematch import FreeMatchThreshold
from usb_ext.upstream.usb import FreeMatchThresholdingHook


@pytest.mark.parametrize("quantile", [True, False])
@pytest.mark.parametrize("clip", [True, False])
def test_equals_usb_hook(quantile: bool, clip: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    theirs, ours = FreeMatchThresholdingHook(5, 0.7), FreeMatchThreshold(5, 0.7)
    sides = [
        SimpleNamespace(use_quantile=quantile, clip_thresh=clip, distributed=False)
        for _ in range(2)
    ]
    for _ in range(20):
        logits = 4 * torch.randn(16, 5, generator=generator, dtype=torch.float64)
        expected = theirs.masking(sides[0], logits)
        assert torch.equal(ours.masking(sides[1], logits), expected)
        for name in ("time_p", "p_model", "label_hist"):
            torch.testing.assert_close(getattr(ours, name), getattr(theirs, name))
            torch.testing.assert_close(getattr(sides[1], name), getattr(sides[0], name))
    assert 0 < float(expected.mean()) < 1
