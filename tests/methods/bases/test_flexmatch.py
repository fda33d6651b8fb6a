"""FlexMatchThreshold against USB's hook and against a loop, positions occurring twice included."""

from collections import Counter
from types import SimpleNamespace

import pytest
import torch

from usb_ext.methods.bases.flexmatch import FlexMatchThreshold
from usb_ext.upstream.usb import FlexMatchThresholdingHook

N, C, U = 40, 4, 12
ALGORITHM = SimpleNamespace(p_cutoff=0.6, compute_prob=lambda x: torch.softmax(x, dim=-1))


def batches(seed: int, repeats: bool) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(30):
        probs = torch.softmax(3 * torch.randn(U, C, generator=generator), dim=-1)
        if repeats:
            indices = torch.randint(6, (U,), generator=generator)
        else:
            indices = torch.randperm(N, generator=generator)[:U]
        made.append((probs, indices))
    return made


@pytest.mark.parametrize("warmup", [True, False])
def test_equals_usb_hook(warmup: bool) -> None:
    theirs = FlexMatchThresholdingHook(N, C, warmup)
    ours = FlexMatchThreshold(N, C, warmup)
    for probs, indices in batches(0, repeats=False):
        expected = theirs.masking(ALGORITHM, probs, indices, softmax_x_ulb=False)
        found = ours.masking(ALGORITHM, logits_x_ulb=probs, idx_ulb=indices, softmax_x_ulb=False)
        assert torch.equal(found, expected)
        assert torch.equal(ours.selected_label, theirs.selected_label)
        assert torch.equal(ours.classwise_acc, theirs.classwise_acc)


def test_positions_that_occur_twice_follow_the_loop() -> None:
    ours = FlexMatchThreshold(N, C)
    remembered = [-1] * N
    for probs, indices in batches(1, repeats=True):
        ours.masking(ALGORITHM, logits_x_ulb=probs, idx_ulb=indices, softmax_x_ulb=False)
        for row, position in zip(probs.tolist(), indices.tolist(), strict=True):
            if max(row) >= ALGORITHM.p_cutoff:
                remembered[position] = row.index(max(row))
        assert ours.selected_label.tolist() == remembered
        counts = Counter(remembered)
        assert ours.counts.tolist() == [counts[c] for c in range(-1, C)]


def test_nothing_confident_leaves_the_status() -> None:
    ours = FlexMatchThreshold(N, C)
    flat = torch.full((U, C), 1.0 / C)
    ours.masking(ALGORITHM, logits_x_ulb=flat, idx_ulb=torch.arange(U), softmax_x_ulb=False)
    assert ours.classwise_acc.tolist() == [0.0] * C and ours.counts[0] == N


def test_logits_are_made_probabilities() -> None:
    """USB's hook calls a method it does not have there."""
    logits = torch.tensor([[5.0, 0, 0, 0], [0.1, 0, 0, 0]])
    ours = FlexMatchThreshold(N, C)
    ours.masking(ALGORITHM, logits_x_ulb=logits, idx_ulb=torch.tensor([3, 7]))
    assert ours.selected_label[3] == 0 and ours.selected_label[7] == -1
