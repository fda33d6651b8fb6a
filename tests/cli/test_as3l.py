"""`usb-ext pretrain`, `as3l` and `prior-grid`: settings as flags, and the grid's own beside them."""

from pathlib import Path
from typing import Any

import pytest

from usb_ext.papers import prior_table
from usb_ext.papers.prior_table import GridOrder


@pytest.mark.parametrize("command", ["pretrain", "as3l", "prior-grid"])
def test_each_needs_settings_and_says_how_to_give_them(call: Any, command: str) -> None:
    code, out, err = call(command)
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert f"{command} needs settings: --c FILE" in err
    code, _, err = call(command, "--ssl_epoch", 3)
    assert code == 2 and "did you mean --ssl_epochs?" in err


@pytest.mark.parametrize("command", ["pretrain", "as3l"])
def test_help_lists_the_settings(call: Any, command: str) -> None:
    code, out, err = call(command, "--help-all")
    assert (code, err) == (0, "") and "--ssl_crop_min" in out


def test_help_names_its_own_flags(call: Any) -> None:
    code, out, _ = call("prior-grid", "--help")
    assert code == 0 and "--strategies" in out


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, GridOrder]]:
    """The orders that reach the grid, with the data set's classes; nothing is made."""
    found: list[tuple[int, GridOrder]] = []

    def make(settings: Any, order: GridOrder, show: Any) -> str:
        found.append((settings.num_classes, order))
        return "made"

    monkeypatch.setattr(prior_table, "make_prior_grid", make)
    return found


def test_the_grid_is_ordered_by_flags_and_settings(
    call: Any, orders: list[tuple[int, GridOrder]], tmp_path: Path
) -> None:
    flags = "--strategies usl --methods llgc --budgets 5 6 --seeds 9 --num_classes 8".split()
    assert call("prior-grid", *flags, "--out", tmp_path / "out") == (0, "made\n", "")
    classes, order = orders[0]
    assert classes == 8
    assert (order.strategies, order.methods) == (["usl"], ["llgc"])
    assert (order.budgets, order.seeds, order.out) == ([5, 6], [9], tmp_path / "out")


def test_by_itself_it_is_the_grid_of_table_8(
    call: Any, orders: list[tuple[int, GridOrder]], tmp_path: Path
) -> None:
    """Its five selections by its two propagations, at its three budgets."""
    assert call("prior-grid", "--save_dir", tmp_path)[0] == 0
    order = orders[0][1]
    assert set(order.strategies) == {"random", "coreset", "kmedoids", "usl", "as3l"}
    assert set(order.methods) == {"llgc", "seed_kmeans"}
    assert order.budgets == [10, 20, 40] and order.seeds == [0, 1, 2]
    assert order.out == tmp_path / "prior_grid"
