"""The papers' names in terms of ours: every name of ours exists, and no row asks for two things."""

import pytest

import usb_ext
from usb_ext.papers.names import CLASSES, DATASETS, EXTENDED, LAYERMATCH, PLAIN, wanted
from usb_ext.settings.algorithms import BASES
from usb_ext.upstream.usb import ALGORITHMS

CELLS = [cell for table in usb_ext.published() for cell in usb_ext.published(table)]


def test_every_algorithm_is_usbs_or_ours() -> None:
    usb_ext.register()
    for name in PLAIN.values():
        assert name in ALGORITHMS, name
    assert all(base in BASES for base, _ in EXTENDED.values())


def test_every_name_stands_in_a_table() -> None:
    assert set(PLAIN) | set(EXTENDED) | {"LayerMatch"} <= {cell.method for cell in CELLS}
    assert set(DATASETS) <= {cell.dataset for cell in CELLS}
    assert set(CLASSES) <= set(DATASETS)


def test_settings_that_are_required_or_stated_exist() -> None:
    from usb_ext.settings import Settings

    asked = [want for cell in CELLS if (want := wanted(cell)) is not None]
    names = {name for want in asked for name in (*want.required, *want.stated)}
    assert {"ac_reset_iter", "max_length", "num_classes", "use_pretrain"} <= names
    assert names <= {*Settings.model_fields, "selection"}
    assert set(LAYERMATCH) <= names


@pytest.mark.parametrize(
    ("table", "none"),
    [("as3l-3", "SelfMatch (w FlexMatch)"), ("as3l-2", "LESS")],
)
def test_methods_that_we_lack(table: str, none: str) -> None:
    (cell, *_) = [c for c in usb_ext.published(table) if c.method == none]
    assert wanted(cell) is None or cell.num_labels is None


@pytest.mark.parametrize("table", ["layermatch-1", "layermatch-2", "layermatch-3"])
def test_instants_rows_are_runs_of_our_base(table: str) -> None:
    asked = [wanted(cell) for cell in usb_ext.published(table) if cell.method == "InstanT"]
    assert asked
    for want in asked:
        assert want is not None and want.algorithms == ("instant", "weak_strong")
        assert (want.base, want.extensions, want.remark) == ("instant", frozenset(), "")


def test_two_rows_of_a_table_ask_for_different_runs() -> None:
    for table in ("layermatch-1", "layermatch-4", "layermatch-5", "layermatch-fig3", "as3l-1"):
        rows = {(c.method, c.setting): wanted(c) for c in usb_ext.published(table)}
        asked = [want for want in rows.values() if want is not None]
        assert all(asked.count(want) == 1 for want in asked)


def test_selfmatch_is_flexmatch_from_pre_trained_weights() -> None:
    for table, method in (("as3l-1", "FlexMatch"), ("as3l-2", "SelfMatch (w FlexMatch)")):
        cells = [c for c in usb_ext.published(table) if c.method == method]
        asked = {cell.setting: wanted(cell) for cell in cells}
        warm = asked["SimSiam initial weights"]
        assert warm is not None and {"flexmatch", "selfmatch"} <= set(warm.algorithms)
        cold = asked.get("random initial weights")
        assert cold is None or "selfmatch" not in cold.algorithms


def test_other_augmentation_is_remarked() -> None:
    (cell, *_) = [c for c in usb_ext.published("influence-1") if c.method == "Ours (FixMatch, CTA)"]
    want = wanted(cell)
    assert want is not None and "CTAugment" in want.remark
