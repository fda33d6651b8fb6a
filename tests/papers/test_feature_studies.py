"""Fig. 8's shares against a loop, and the tables of Figs. 2 and 8 by hand."""

from collections import Counter

import numpy as np
import pytest

from usb_ext.papers.feature_studies import BINS, bins_grid, consistency_grid, dominant_shares


@pytest.mark.parametrize("seed", range(3))
def test_the_shares_are_those_of_a_loop_over_samples(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = 200
    distance = rng.random(count)
    cluster = rng.integers(0, 4, count)
    targets = np.where(rng.random(count) < 0.6, cluster, rng.integers(0, 4, count))
    most = {
        c: Counter(t for t, k in zip(targets, cluster, strict=True) if k == c).most_common(1)[0][0]
        for c in range(4)
    }
    order = sorted(range(count), key=lambda i: distance[i])
    each = count // BINS
    wanted = [
        sum(targets[i] == most[cluster[i]] for i in order[b * each : (b + 1) * each]) / each
        for b in range(BINS)
    ]
    np.testing.assert_allclose(dominant_shares(distance, cluster, targets), wanted, atol=1e-15)


def test_change_of_consistency_is_taken_within_a_run() -> None:
    """From 90 to 80 and from 70 to 75: means 80 and 77.5, changes -10 and 5: -2.5 ± 10.6."""
    values = {0: (0.9, 0.85, 0.8), 1: (0.7, 0.6, 0.75)}
    rows = [
        {"num_labels": 10, "seed": seed, "it": it, "consistency": value}
        for seed, found in values.items()
        for it, value in enumerate(found)
    ]
    (line,) = consistency_grid(rows, "digits").body
    assert line == ["10", "80.0±14.1 (n=2)", "77.5±3.5 (n=2)", "-2.5±10.6 (n=2)"]


def test_a_line_a_bin() -> None:
    rows = [
        {"seed": s, "bin": b, "share": (b + s) / 20} for s in (0, 2) for b in range(1, BINS + 1)
    ]
    body = bins_grid(rows, "digits").body
    assert body[0] == ["1", "10.0±7.1 (n=2)"] and len(body) == BINS
