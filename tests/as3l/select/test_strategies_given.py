"""Adding to labelled images: `select_more`, and `usb-ext select --given`."""

import csv
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from support.features import blobs, random_points, write_npz

from usb_ext.as3l.select.strategies import GIVEN, select_more
from usb_ext.cli import main as cli

FAST = ("--runs", "2", "--tune_epochs", "2", "--threads", "1")


@pytest.mark.parametrize("strategy", GIVEN)
@pytest.mark.parametrize("seed", range(3))
def test_new_ones_are_distinct_and_not_given(strategy: str, seed: int) -> None:
    points, rng = random_points(60, 3, seed), np.random.default_rng(seed)
    given = rng.permutation(60)[:17]
    found = select_more(strategy, points, given, 43, rng)
    assert sorted([*given, *found.positions]) == list(range(60))
    assert found.clusters.shape == (43,)


@pytest.mark.parametrize("seed", range(6))
def test_medoids_beside_given_ones_are_as_good_as_the_best_of_all(seed: int) -> None:
    """By trying every pair: well-separated groups, two of which have a given sample that is no medoid."""
    rng = np.random.default_rng(seed)
    groups = [rng.normal(size=(6, 2)) * 0.3 + place for place in ((0, 0), (9, 0), (0, 9), (9, 9))]
    points = np.concatenate(groups).astype(np.float64)
    given = np.array([2, 8])
    found = select_more("kmedoids", points, given, 2, rng).positions
    squares = cdist(points, points) ** 2

    def cost(new: tuple[int, ...]) -> float:
        return float(squares[:, [*given, *new]].min(axis=1).sum())

    free = [i for i in range(24) if i not in given]
    assert cost(tuple(found)) == pytest.approx(min(map(cost, combinations(free, 2))), rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_coreset_goes_on_from_the_given_ones(seed: int) -> None:
    points = random_points(50, 4, seed)
    given = np.array([4, 31, 7])
    found = select_more("coreset", points, given, 5, np.random.default_rng(0)).positions
    chosen = list(given)
    for position in found:
        distance = cdist(points, points[chosen]).min(axis=1)
        assert distance[position] == pytest.approx(distance.max(), rel=1e-6)
        chosen.append(position)


def test_groups_without_a_given_sample_are_served_first() -> None:
    points, groups = blobs(8, 40, 6)
    given = np.concatenate([np.flatnonzero(groups == g)[:2] for g in (0, 1, 2)])
    for strategy in ("kmedoids", "coreset"):
        found = select_more(strategy, points, given, 5, np.random.default_rng(1))
        assert sorted(groups[found.positions]) == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("strategy, budget", [("usl", 1), ("stratified", 1), ("kmedoids", 9)])
def test_what_cannot_be_is_refused(strategy: str, budget: int) -> None:
    with pytest.raises(ValueError, match=r"budget|strategy"):
        select_more(
            strategy, random_points(10, 2, 0), np.array([1, 2]), budget, np.random.default_rng(0)
        )


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.reader(lines))


def called(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    code = cli.main(["select", *map(str, words), *FAST])
    shown = capsys.readouterr()
    assert code == 0 or shown.err.count("\n") == 1
    return code, shown.out + shown.err


@pytest.mark.parametrize("strategy", ["as3l", "kmedoids", "random"])
def test_answers_stay_and_new_questions_follow(
    strategy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_npz(
        tmp_path / "f.npz",
        features=random_points(80, 5, 0).astype(np.float32),
        ids=np.array([f"a/ä {i:02d}.jpg" for i in range(80)]),
    )
    out = tmp_path / "out"
    first = called(capsys, "--features", file, "--budget", 8, "--strategy", strategy, "--out", out)
    assert first[0] == 0
    table = rows_of(out / "to_label.csv")
    answered = [[name, ["cat", "dog", ""][n % 3]] for n, (name, _) in enumerate(table[1:])]
    with (out / "to_label.csv").open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([table[0], *answered])
    words = ("--features", file, "--budget", 5, "--strategy", strategy, "--out", out, "--seed", 1)
    code, text = called(capsys, *words, "--given", out / "to_label.csv")
    assert code == 0, text
    again = rows_of(out / "to_label.csv")
    assert again[: len(answered) + 1] == [["id", "class"], *answered]
    assert [cell for _, cell in again[9:]] == [""] * 5
    names = [name for name, _ in again[1:]]
    assert len(set(names)) == 13
    assert json.loads((out / "selected.json").read_text())["ids"] == names


def test_mistakes_say_what_is_wrong_and_write_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_npz(tmp_path / "f.npz", features=random_points(20, 3, 0).astype(np.float32))
    given = tmp_path / "given.csv"
    given.write_text("id,class\n3,cat\n4,\n")
    here = ("--features", file, "--out", tmp_path / "out", "--given", given)
    code, text = called(capsys, *here, "--budget", 19)
    assert code == 2 and "use 1 to 18" in text and "2 of them given" in text
    code, text = called(capsys, *here, "--budget", 2, "--strategy", "usl")
    assert code == 2 and "as3l, kmedoids, typiclust, coreset, random" in text
    given.write_text("3,cat\n30,dog\n3,dog\n")
    code, text = called(capsys, *here, "--budget", 2)
    assert code == 2 and "line 2" in text and "line 3" in text
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    kept = tmp_path / "out" / "to_label.csv"
    kept.write_text("id,class\n1,horse\n")
    given.write_text("3,cat\n")
    code, text = called(capsys, *here, "--budget", 2)
    assert code == 2 and "is not the file that --given names" in text
    assert kept.read_text() == "id,class\n1,horse\n"
