"""The papers' numbers: against what the papers say of them elsewhere, and how they are asked for."""

import tomllib
from pathlib import Path

import pytest

import usb_ext
from usb_ext.core.errors import SettingsError
from usb_ext.papers.tables import PublishedNumber, stated_settings
from usb_ext.papers.wanted import fits
from usb_ext.settings import Settings

ROOT = Path(usb_ext.__file__).parents[1]
TABLES = usb_ext.published()


def one(table: str, method: str, **chosen: str) -> PublishedNumber:
    """The only cell with these values."""
    (cell,) = [
        c
        for c in usb_ext.published(table)
        if c.method == method and all(getattr(c, k) == v for k, v in chosen.items())
    ]
    return cell


def printed(table: str, **chosen: str) -> list[str]:
    """Mean and spread of a row's cells, as printed."""
    return [
        c.printed
        for c in usb_ext.published(table)
        if all(getattr(c, k) == v for k, v in chosen.items())
    ]


def test_the_tables_that_the_papers_have() -> None:
    assert TABLES == [
        *(f"as3l-{n}" for n in range(1, 11)),
        *("influence-1", "influence-2", "influence-3", "influence-sec4.3", "influence-sec4.4"),
        *(f"layermatch-{n}" for n in range(1, 6)),
        "layermatch-fig3",
    ]


# rows x columns of the printed tables, less the cells that are empty there
SIZES = {
    "layermatch-1": 14 * 10, "layermatch-2": 9 * 10 - 4, "layermatch-3": 5 * 2, "layermatch-4": 3,
    "layermatch-5": 3, "influence-1": 10 * 10 - 4 - 6 - 4 - 4, "influence-2": 8, "influence-3": 5,
    "as3l-1": 2 * 4, "as3l-2": 2 + 11 * 6 - 2, "as3l-3": 4, "as3l-4": 6 * 4, "as3l-5": 4,
    "as3l-6": 4 * 4, "as3l-7": 4 * 6, "as3l-8": 10 * 3, "as3l-9": 3 * 6, "as3l-10": 5 * 3,
}  # fmt: skip


@pytest.mark.parametrize("table", SIZES)
def test_no_cell_is_missing(table: str) -> None:
    assert len(usb_ext.published(table)) == SIZES[table]


@pytest.mark.parametrize("table", TABLES)
def test_each_cell_stands_once_and_is_a_possible_number(table: str) -> None:
    cells = usb_ext.published(table)
    keys = [(c.method, c.setting, c.dataset, c.labels, c.metric) for c in cells]
    assert len(set(keys)) == len(keys)
    for cell in cells:
        assert 0 <= cell.mean <= {"%": 100, "1": 1, "classes": 10}.get(cell.unit, 400), cell
        assert (cell.spread is None) == (cell.spread_kind == ""), cell
        assert cell.spread is None or 0 <= cell.spread < cell.mean, cell
        assert cell.source and cell.method and cell.dataset and cell.metric, cell
        assert cell.n is None or not cell.seeds or cell.n == len(cell.seeds), cell


@pytest.mark.parametrize("table", ["layermatch-1", "layermatch-2"])
def test_the_printed_averages_are_those_of_the_cells(table: str) -> None:
    cells = usb_ext.published(table)
    averages = [c for c in cells if c.dataset == "Average"]
    assert len(averages) == {"layermatch-1": 14, "layermatch-2": 8}[table]
    for average in averages:
        row = [c.mean for c in cells if c.method == average.method and c is not average]
        assert len(row) == 9
        assert abs(sum(row) / 9 - average.mean) <= 0.005 + 1e-9, average.method


# LayerMatch, abstract and Sec. 5.2: what it gains, on what, over whom
@pytest.mark.parametrize(
    ("table", "other", "dataset", "labels", "gain"),
    [
        ("layermatch-1", "InstanT", "Average", "", 2.44),
        ("layermatch-1", "FixMatch", "Average", "", 10.38),
        ("layermatch-1", "InstanT", "CIFAR-10", "10", 6.62),
        ("layermatch-1", "FreeMatch", "CIFAR-100", "400", 3.69),
        ("layermatch-1", "InstanT", "STL-10", "40", 3.74),
        ("layermatch-2", "FreeMatch", "Average", "", 2.72),
        ("layermatch-2", "InstanT", "CIFAR-100", "400", 6.93),
        ("layermatch-2", "InstanT", "CIFAR-100", "2500", 6.87),
        ("layermatch-2", "FreeMatch", "CIFAR-100", "10000", 5.46),
    ],
)
def test_layermatch_gains_what_its_text_says(
    table: str, other: str, dataset: str, labels: str, gain: float
) -> None:
    ours = one(table, "LayerMatch", dataset=dataset, labels=labels)
    assert round(ours.mean - one(table, other, dataset=dataset, labels=labels).mean, 2) == gain


def test_imagenet_gains_and_ablations_agree_with_the_text() -> None:
    for metric, gain in (("top-1 accuracy", 2.60), ("F1", 2.40)):
        ours = one("layermatch-3", "LayerMatch", metric=metric).mean
        assert round(ours - one("layermatch-3", "InstanT", metric=metric).mean, 2) == gain
    whole = one("layermatch-4", "LayerMatch", setting="Grad-ReLU on, Avg-Clustering on")
    assert whole.mean == one("layermatch-5", "LayerMatch", setting="N = 2048").mean == 97.60
    without = one("layermatch-4", "LayerMatch", setting="Grad-ReLU off, Avg-Clustering on")
    assert without.mean == one("layermatch-fig3", "LayerMatch").mean


def test_influence_wins_where_its_text_says_so() -> None:
    cells = usb_ext.published("influence-1")
    for ours, base, count in (
        ("Ours (UDA)", "UDA", 10),
        ("Ours (FixMatch, CTA)", "FixMatch* (CTA)", 6),
    ):
        pairs = [
            (a.mean, b.mean)
            for a in cells
            for b in cells
            if (a.method, b.method) == (ours, base)
            and (a.dataset, a.labels) == (b.dataset, b.labels)
        ]
        assert len(pairs) == count
        assert all(a < b for a, b in pairs)
    best = min(usb_ext.published("influence-3"), key=lambda cell: cell.mean)
    assert best.setting == "N = 100, eta = 0.01"
    times = {(c.method, c.metric): c.mean for c in usb_ext.published("influence-sec4.4")[:3]}
    ratio = times["serial", "time"] / times["Ours", "time"]
    assert round(ratio, 1) == times["Ours", "times faster than serial"]


def test_as3l_prints_the_same_number_where_it_prints_it_twice() -> None:
    random, simsiam = "random initial weights", "SimSiam initial weights"
    four = slice(0, 4)
    assert (
        printed("as3l-1", setting=random)
        == printed("as3l-2", method="FlexMatch", setting=random)[four]
    )
    selfmatch = printed("as3l-2", method="SelfMatch (w FlexMatch)")
    assert printed("as3l-1", setting=simsiam) == selfmatch[four]
    prior = "accuracy of prior pseudo-labels"
    own = printed("as3l-8", method="Proposed selection", setting="Proposed propagation")
    assert own == printed("as3l-10", method="SimSiam")
    assert own == printed("as3l-9", setting="K = [10, 20, 30, 40, 50, 60]", metric=prior)
    assert own[::2] == printed(
        "as3l-6", method="Multi-cluster on fine-tuned features", metric=prior
    )
    medoids = printed("as3l-8", method="K-medoids selection", setting="Proposed propagation")
    plain = printed("as3l-6", method="K-medoids on self-supervised features", metric=prior)
    assert medoids[::2] == plain
    assert printed("as3l-7", method="Random")[0] == printed("as3l-5", method="Random")[0]
    assert printed("as3l-7", method="Proposed")[0] == printed("as3l-5", method="Active + PPL")[0]


def test_a_cell_as_python_sees_it() -> None:
    cell = one("layermatch-2", "AdaMatch", dataset="CIFAR-10", labels="40")
    assert (cell.mean, cell.spread, cell.printed) == (94.64, 0.0, "94.64±0.0")
    assert (cell.num_labels, cell.n, cell.seeds) == (40, 3, (0, 1, 2))
    assert one("as3l-4", "Fine-tune", labels="1%", metric="top-1 accuracy").num_labels is None


def test_an_unknown_table_names_the_known() -> None:
    with pytest.raises(SettingsError, match=r"no table 'layermatch-6'; .*as3l-10.*layermatch-1"):
        usb_ext.published("layermatch-6")


def test_stated_settings_are_those_of_the_configs() -> None:
    """The YAML for CIFAR-10 with 10 labels was written from the paper's Table 6 by itself."""
    from usb_ext.settings import load_settings

    settings = load_settings(ROOT / "config/layermatch_cifar10_10.yaml").settings
    stated = dict(stated_settings("layermatch-1", "CIFAR-10"))
    assert (stated.pop("selection"), stated.pop("unlabelled_batch")) == ("per_class", 8)
    assert stated.pop("estimation") == ["instance", "class"]  # InstanT's alone; LayerMatch has none
    assert len(stated) == 11
    assert all(fits(getattr(settings, name), value) for name, value in stated.items())
    scratch = stated_settings("layermatch-2", "STL-10")
    assert (scratch["net"], scratch["num_train_iter"]) == ("wrn_var_37_2", 2**20)


def test_a_protocol_may_be_like_another_and_have_rows_of_its_own() -> None:
    """AS3L, Sec. 5.4.1: the same settings as Table 2, but for 112 x 2304 iterations."""
    short = stated_settings("as3l-7", "CIFAR-100")
    assert (short["num_train_iter"], short["net"]) == (112 * 2304, "wrn_28_8")
    assert stated_settings("as3l-2", "CIFAR-100")["num_train_iter"] == 1024 * 1024
    ours = stated_settings("as3l-3", "CIFAR-10", "Ours (w FlexMatch)")["selection"]
    assert (ours, short["selection"]) == ("as3l", ["per_class", "random"])
    assert stated_settings("as3l-8", "CIFAR-10") == {}


def test_every_name_in_the_protocols_is_a_setting_a_table_a_data_set_or_a_row() -> None:
    text = (ROOT / "usb_ext/papers/published/protocols.toml").read_text()
    content = tomllib.loads(text)
    rules, tables = content.pop("rules"), content.pop("tables")
    known = set(Settings.model_fields) | {"selection", "self_supervised", "unlabelled_batch"}
    assert set().union(*rules.values()) <= known and set(tables) <= set(usb_ext.published())
    assert not set(rules["left_out"]) & set(rules["free"]) and set(tables.values()) <= set(content)
    for name, protocol in content.items():
        cells = [
            c for table, own in tables.items() if own == name for c in usb_ext.published(table)
        ]
        assert protocol.pop("like", name) in content
        rows = protocol.pop("rows", {})
        assert set(rows) <= {cell.method for cell in cells}, name
        assert {*protocol} - {"all"} <= {cell.dataset for cell in cells}, name
        assert set().union(*protocol.values(), *rows.values()) <= known, name


def test_the_folder_of_the_data_does_not_hide_the_function() -> None:
    assert usb_ext.published("layermatch-1") and callable(usb_ext.published)
