"""Arms of the studies of prior pseudo-labels, and their tables beside the papers'."""

from pathlib import Path

import pytest

from usb_ext.papers.prior_studies import (
    RUN_ARMS,
    SPACE_ARMS,
    Arm,
    method_arms,
    schedule_arms,
    study_grid,
)
from usb_ext.papers.study import Order
from usb_ext.papers.tables import read_table
from usb_ext.settings import load_settings

CIFAR10 = load_settings({"dataset": "cifar10", "num_classes": 10}).settings


@pytest.mark.parametrize(
    ("name", "arms"),
    [("as3l-6", SPACE_ARMS), ("as3l-9", schedule_arms(CIFAR10))],
)
def test_every_row_of_the_papers_table_is_an_arm(name: str, arms: tuple[Arm, ...]) -> None:
    rows = list(dict.fromkeys((c.method, c.setting) for c in read_table(name)))
    assert sorted(filter(None, (arm.row for arm in arms))) == sorted(rows)


def test_what_the_arms_change() -> None:
    """Table 6's two axes; Table 9's rows with 7 classes; C once each."""
    axes = {(a.changed["as3l_strategy"], a.changed["as3l_choose_on"]) for a in SPACE_ARMS}
    assert axes == {(s, f) for s in ("kmedoids", "as3l") for f in ("self", "fine")}
    seven = load_settings({"dataset": "digits", "num_classes": 7, "num_labels": 7}).settings
    clusters = [arm.changed["as3l_clusters"] for arm in schedule_arms(seven)]
    assert clusters == [(7,) * 6, (7, 14, 21, 28, 35, 42), (7, 42, 42, 42, 42, 42)]
    assert [arm.changed["as3l_runs"] for arm in RUN_ARMS] == [arm.place for arm in RUN_ARMS]
    assert len({arm.choice for arm in (*SPACE_ARMS, *RUN_ARMS)}) == 10


def test_methods_have_folders_of_their_own_where_one_is_named() -> None:
    order = Order((10,), (0,), {}, Path("out"))
    named = load_settings({"ssl_name": "mine"}).settings
    assert [a.changed["ssl_name"] for a in method_arms(named, order)] == [
        "mine_simsiam", "mine_simclr", "mine_byol",
    ]  # fmt: skip
    assert {a.changed["ssl_name"] for a in method_arms(CIFAR10, order)} == {None}


def test_means_stand_beside_the_papers_numbers_on_cifar_10() -> None:
    """(60 + 70) / 2 = 65 ± sqrt(50); coverage 9 and 10; ECE 0.1 and 0.2: 0.15 ± 0.071."""
    arm = SPACE_ARMS[0]
    rows = [
        {"arm": arm.label, "num_labels": 10, "seed": s, "accuracy": a, "coverage": c, "ece": e}
        for s, a, c, e in ((0, 60.0, 9, 0.1), (1, 70.0, 10, 0.2))
    ]
    grid = study_grid("as3l-6", SPACE_ARMS[:2], rows, "cifar10")
    assert grid.body[0] == [
        "K-medoids on f_self", "44.90±1.88", "65.0±7.1 (n=2)", "7.2±1.4", "9.5±0.7 (n=2)", "",
        "0.150±0.071 (n=2)",
    ]  # fmt: skip
    assert grid.body[1][1:4:2] == ["64.70±6.27", "9.2±0.8"] and grid.body[1][2] == ""
    other = study_grid("as3l-6", SPACE_ARMS[:1], rows, "digits")
    assert other.body == [
        ["K-medoids on f_self", "65.0±7.1 (n=2)", "9.5±0.7 (n=2)", "0.150±0.071 (n=2)"]
    ]
    assert len(study_grid("as3l-fig7", RUN_ARMS, rows, "cifar10").header) == 4
