"""Votes, neighbours and consistency against loops over pairs (AS3L, Sec. 3)."""

import math

import numpy as np
import pytest
import torch

from usb_ext.methods.as3l import consistency as knn
from usb_ext.methods.as3l.consistency import (
    feature_spread,
    label_consistency,
    nearest_others,
    weighted_vote,
)

N, M, D, CLASSES = 60, 25, 5, 4


def normal(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels(n: int, seed: int, lowest: int = 0) -> torch.Tensor:
    return torch.randint(lowest, CLASSES, (n,), generator=torch.Generator().manual_seed(seed))


def cosine(a: list[float], b: list[float]) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


@pytest.fixture(params=[2**25, 3 * N], ids=["one block", "blocks of 3"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn, "BLOCK_VALUES", request.param)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(("k", "temperature"), [(1, 0.1), (7, 0.1), (7, 5.0), (500, 0.5)])
def test_the_vote_is_that_of_a_loop(k: int, temperature: float) -> None:
    points, classes, queries = normal(N, 0), labels(N, 1), normal(M, 2)
    wanted = []
    for query in queries.tolist():
        near = sorted(((cosine(query, p), i) for i, p in enumerate(points.tolist())), reverse=True)
        votes = [0.0] * CLASSES
        for similarity, i in near[:k]:
            votes[classes[i]] += math.exp(similarity / temperature)
        wanted.append(votes.index(max(votes)))
    assert weighted_vote(points, classes, queries, CLASSES, k, temperature).tolist() == wanted


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("k", [1, 6, N - 1])
def test_neighbours_are_those_of_a_loop(k: int) -> None:
    points = normal(N, 3)
    got = nearest_others(points, k).tolist()
    for i, mine in enumerate(points.tolist()):
        others = [(cosine(mine, p), j) for j, p in enumerate(points.tolist()) if j != i]
        assert got[i] == [j for _, j in sorted(others, reverse=True)[:k]]


@pytest.mark.parametrize("k", [0, N])
def test_a_number_of_neighbours_that_there_are_not(k: int) -> None:
    with pytest.raises(ValueError, match=f"{k} neighbours among {N} samples"):
        nearest_others(normal(N, 3), k)


def test_consistency_is_the_mean_of_shares_over_those_with_a_label() -> None:
    near = nearest_others(normal(N, 4), 5)
    given = labels(N, 5, lowest=-1)
    plain = given.tolist()
    shares = []
    for i, neighbours in enumerate(near.tolist()):
        theirs = [plain[j] for j in neighbours if plain[j] >= 0]
        if plain[i] >= 0 and theirs:
            shares.append(sum(t == plain[i] for t in theirs) / len(theirs))
    assert label_consistency(given, near).item() == pytest.approx(float(np.mean(shares)), abs=1e-12)
    assert len(shares) < N


def test_consistency_of_one_class_of_two_apart_and_of_none() -> None:
    near = torch.tensor([[1], [0], [3], [2]])
    assert label_consistency(torch.zeros(4, dtype=torch.long), near).item() == 1.0
    assert label_consistency(torch.tensor([0, 1, 0, 1]), near).item() == 0.0
    assert math.isnan(label_consistency(torch.full((4,), -1), near).item())


def test_spread_is_1_for_all_directions_and_0_for_one() -> None:
    many = torch.randn(20000, 8, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    assert feature_spread(many).item() == pytest.approx(1.0, abs=0.01)
    assert feature_spread(torch.ones(50, 8) * torch.arange(1, 51)[:, None]).item() < 1e-6
    given = normal(N, 7).numpy()
    unit = given / np.linalg.norm(given, axis=1, keepdims=True)
    wanted = math.sqrt(D) * np.mean([np.std(unit[:, j]) for j in range(D)])
    assert feature_spread(normal(N, 7)).item() == pytest.approx(wanted, rel=1e-12)
