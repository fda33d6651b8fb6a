"""Votes, their normalisers, and Eq. 5 of AS3L."""

import numpy as np
import pytest
import torch

from usb_ext.methods.as3l.prior import (
    cluster_classes,
    count_votes,
    normalised_votes,
    posterior,
    posterior_logits,
)


def test_votes_are_counted_run_by_run() -> None:
    classes = cluster_classes(np.array([0, 0, 2]), np.array([1, 1, 0]), 4)
    assert classes.tolist() == [1, -1, 0, -1]
    runs = [classes[np.array([0, 1, 2, 2])], np.array([1, -1, 1, 0])]
    votes = count_votes(runs, 3)
    assert votes.tolist() == [[0, 2, 0], [0, 0, 0], [1, 1, 0], [2, 0, 0]]


@pytest.mark.parametrize("seed", range(3))
def test_rows_sum_to_one_or_zero_or_to_the_share_of_runs(seed: int) -> None:
    votes = np.random.default_rng(seed).integers(0, 2, size=(50, 4)).astype(np.float32)
    votes[:5] = 0
    reached = votes.any(axis=1)
    by_row = normalised_votes(votes, 4)
    np.testing.assert_allclose(by_row.sum(axis=1), reached.astype(float), rtol=1e-6)
    by_run = normalised_votes(votes, 4, "runs")
    np.testing.assert_allclose(by_run.sum(axis=1), votes.sum(axis=1) / 4, rtol=1e-6)
    assert (by_row.argmax(axis=1) == votes.argmax(axis=1)).all()
    assert by_row.dtype == by_run.dtype == np.float32
    with pytest.raises(ValueError, match="softmax"):
        normalised_votes(votes, 4, "softmax")


def prior_and_logits(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    votes = torch.randint(0, 3, (40, 5), generator=generator).double()
    votes[:8] = 0
    votes[8:16] = torch.eye(5, dtype=torch.float64)[torch.arange(8) % 5]
    prior = votes / votes.sum(dim=1, keepdim=True).clamp(min=1)
    return prior, 4 * torch.randn(40, 5, generator=generator, dtype=torch.float64)


def test_posterior_is_eq_5_number_by_number() -> None:
    prior, logits = prior_and_logits(0)
    probs = logits.softmax(dim=1)
    got = posterior(prior, probs)
    for i in range(40):
        sums = [float(prior[i, c] + probs[i, c]) for c in range(5)]
        wanted = [s / sum(sums) for s in sums]
        assert got[i].tolist() == pytest.approx(wanted, rel=1e-12)
    torch.testing.assert_close(posterior_logits(prior, logits).softmax(dim=1), got)


def test_a_row_of_zeros_changes_nothing_bit_by_bit() -> None:
    prior, logits = prior_and_logits(1)
    probs = logits.softmax(dim=1)
    assert torch.equal(posterior(prior, probs)[:8], probs[:8])
    assert torch.equal(posterior_logits(prior, logits)[:8], logits[:8])
    assert not torch.equal(posterior(prior, probs)[8:], probs[8:])


def test_a_uniform_prior_changes_no_argmax() -> None:
    _, logits = prior_and_logits(2)
    uniform = torch.full((40, 5), 0.2, dtype=torch.float64)
    assert torch.equal(posterior(uniform, logits.softmax(1)).argmax(1), logits.argmax(1))
    assert torch.equal(posterior_logits(uniform, logits).argmax(1), logits.argmax(1))


def test_certain_predictions_and_priors_stay_finite() -> None:
    logits = torch.tensor([[1000.0, -1000.0, 0.0]])
    prior = torch.tensor([[1.0, 0.0, 0.0]])
    found = posterior_logits(prior, logits)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found.softmax(1), torch.tensor([[1.0, 0.0, 0.0]]))
    soft = torch.nn.functional.cross_entropy(found, found.softmax(1))
    assert torch.isfinite(soft)
