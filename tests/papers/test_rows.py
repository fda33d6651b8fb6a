"""Every row of a table that is trained is an algorithm with settings; every other says why it is none."""

from pathlib import Path
from typing import Any

import pytest

import usb_ext
from usb_ext.as3l.workflow import check
from usb_ext.comparison.plan import Fold, Planned, make_plan
from usb_ext.core.errors import SettingsError
from usb_ext.papers import rows
from usb_ext.papers.rows import NOT_TRAINED, TRAINED, cells_of, experiment, row_of
from usb_ext.settings import Settings, load_settings
from usb_ext.settings.shipped import shipped_files
from usb_ext.settings.sources import read_yaml
from usb_ext.training.check import check_run
from usb_ext.training.train import rehearse

CELLS = [(table, cell) for table in TRAINED for cell in cells_of(table)]
STAND_IN: dict[str, Any] = {
    "dataset": "digits", "num_classes": 10, "net": "wrn_10_1", "img_size": 16, "layer_decay": 1.0,
    "num_workers": 0, "device": "cpu", "batch_size": 4,
}  # fmt: skip


def test_every_table_is_trained_or_is_said_not_to_be() -> None:
    assert set(usb_ext.published()) == {*TRAINED, *NOT_TRAINED}
    assert not set(TRAINED) & set(NOT_TRAINED)
    for table in NOT_TRAINED:
        with pytest.raises(SettingsError, match="it has no runs to compare"):
            experiment(table, None)


@pytest.mark.parametrize(("table", "cell"), CELLS)
def test_every_row_of_a_cell_is_a_method_or_says_why_not(table: str, cell: str) -> None:
    found = experiment(table, cell)
    numbers = {(c.method, c.setting) for c in cells_of(table)[cell]}
    assert len(found.methods) + len(found.left) == len(numbers)
    assert all(one.why for one in found.left) and found.methods
    assert found.file in shipped_files()
    assert len({method.slug for method in found.methods}) == len(found.methods)
    names = {name for method in found.methods for name in method.values}
    assert names | set(found.settings) <= set(Settings.model_fields)


def test_the_cells_are_those_of_the_paper() -> None:
    """Typed from LayerMatch's Tables 1 to 3, influence's Table 1 and AS3L's Table 4."""
    assert list(cells_of("layermatch-1")) == [
        "cifar10/10", "cifar10/40", "cifar10/250", "cifar100/200", "cifar100/400", "cifar100/2500",
        "stl10/10", "stl10/40", "stl10/100",
    ]  # fmt: skip
    assert list(cells_of("layermatch-3")) == ["imagenet100/10000"]
    assert "svhn/2000" in cells_of("influence-1") and list(cells_of("influence-2")) == ["imdb/20"]
    assert [experiment("as3l-4", f"imagenet/{share}").num_labels for share in ("0.2%", "1%")] == [
        2562,
        12812,
    ]
    assert list(cells_of("as3l-3")) == [
        "cifar10",
        "cifar100",
    ]  # the paper does not say how many labels


@pytest.mark.parametrize(
    ("table", "cell", "label", "algorithm", "values"),
    [
        ("layermatch-1", "cifar10/10", "Only Supervised", "supervised", {}),
        ("layermatch-1", "stl10/40", "LayerMatch", "layermatch", {}),
        ("layermatch-4", None, "LayerMatch, Grad-ReLU off, Avg-Clustering on", "layermatch",
         {"grad_relu": False}),
        ("layermatch-5", None, "LayerMatch, N = 204800", "layermatch", {"ac_reset_iter": 204800}),
        ("layermatch-fig3", None, "FixMatch, with Grad-ReLU", "fixmatch", {"extensions": ["grad_relu"]}),
        ("influence-1", "cifar10/250", "Ours (UDA)", "influence_uda", {}),
        ("influence-1", "cifar10/250", "UDA", "uda", {}),
        ("influence-1", "svhn/1000", "FixMatch* (CTA)", "fixmatch", {"uratio": 7}),
        ("influence-2", None, "UDA, length 512", "uda", {"max_length": 512}),
        ("influence-3", None, "Ours (UDA), N = 100, eta = 0.001", "influence_uda",
         {"influence_every": 100, "influence_lr": 0.001}),
        ("as3l-1", "cifar10/40", "FlexMatch, SimSiam initial weights", "selfmatch", {}),
        ("as3l-1", "cifar10/40", "FlexMatch, random initial weights", "flexmatch", {}),
        ("as3l-5", None, "Random + PPL", "as3l", {"as3l_strategy": "random"}),
        ("as3l-7", "stl10/20", "K-medoids", "as3l", {"as3l_strategy": "kmedoids"}),
    ],
)  # fmt: skip
def test_what_a_row_is(
    table: str, cell: str | None, label: str, algorithm: str, values: dict[str, Any]
) -> None:
    (method,) = [one for one in experiment(table, cell).methods if one.label == label]
    assert (method.algorithm, dict(method.values)) == (algorithm, values)


def test_rows_that_no_run_can_be() -> None:
    left = {one.label.partition(",")[0]: one.why for one in experiment("as3l-2", "cifar10/10").left}
    assert set(left) == {
        "FixMatch-Sel", "LESS", "SelfMatch-Sel (w FlexMatch)", "USL-Sel (w FlexMatch)",
        "Ours-Sel (w FlexMatch)", "Ours-Early-Sel (w FlexMatch)",
    }  # fmt: skip
    assert "Lucas" in left["LESS"] and "Kim and Lee" in left["FixMatch-Sel"]
    (quoted,) = experiment("influence-1", "cifar10/250").left
    assert quoted.label == "FixMatch (CTA)"


def test_instant_is_a_row_as_soon_as_it_is_an_algorithm(monkeypatch: pytest.MonkeyPatch) -> None:
    (cell,) = [c for c in cells_of("layermatch-3")["imagenet100/10000"] if c.method == "InstanT"]
    monkeypatch.setattr(rows, "carriers", lambda: ["instant"])
    assert row_of(cell).algorithm == "instant"
    monkeypatch.setattr(rows, "carriers", list)
    assert row_of(cell).algorithm == "" and row_of(cell).open


@pytest.mark.parametrize(
    ("table", "cell", "said"),
    [
        ("layermatch", None, "there are layermatch-1, layermatch-2"),
        (
            "layermatch-1",
            None,
            "layermatch-1 needs --cell; layermatch-1 has cifar10/10, cifar10/40",
        ),
        ("layermatch-1", "cifar10/11", "--cell is 'cifar10/11'; layermatch-1 has cifar10/10"),
        ("layermatch-4", "cifar10/40", "layermatch-4 has cifar10/10"),
    ],
)
def test_an_unknown_table_or_cell_names_those_there_are(
    table: str, cell: str | None, said: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        experiment(table, cell)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def planned(table: str, cell: str, out: Path, **flags: Any) -> list[Planned]:
    """The rows of a cell on the digits, 10 labels."""
    found = experiment(table, cell)
    file = read_yaml(shipped_files()[found.file])
    flags = {**found.settings, **STAND_IN, "save_dir": str(out), **flags}
    return make_plan(file, found.methods, [Fold(0, 0)], [10], out, flags)


@pytest.mark.parametrize(
    ("table", "cell", "flags"),
    [
        ("layermatch-1", "cifar10/10", {"use_pretrain": False}),
        ("layermatch-2", "cifar10/40", {}),
        ("layermatch-4", "cifar10/10", {"use_pretrain": False}),
        ("layermatch-fig3", "cifar10/10", {"use_pretrain": False}),
        ("influence-1", "cifar10/250", {"num_val": 20}),
        ("influence-sec4.3", "cifar10", {"num_val": 20}),
    ],
)
def test_every_row_is_a_run_that_begins(
    tmp_path: Path, table: str, cell: str, flags: dict[str, Any]
) -> None:
    """On the digits: settings, data and algorithm are made as for training."""
    for run in planned(table, cell, tmp_path, **flags):
        rehearse(load_settings(run.settings.model_dump()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("table", "cell"), [("as3l-2", "cifar10/10"), ("as3l-5", "cifar10/10"),
                                             ("as3l-7", "cifar10/10")])  # fmt: skip
def test_every_row_of_as3l_begins_with_its_stages(tmp_path: Path, table: str, cell: str) -> None:
    for run in planned(table, cell, tmp_path):
        check(run.settings)
        check_run(run.settings, staged=True)
        plain = run.method.algorithm not in ("as3l", "selfmatch")
        assert run.settings.use_pretrain is not plain
        assert run.settings.num_train_iter == (1048576 if table == "as3l-2" else 258048)


def test_the_arms_of_imagenet_have_one_threshold_and_weight() -> None:
    """AS3L, Sec. 5.2: the hyper-parameters are those of EMAN, whose code has 0.7 and 10."""
    found = experiment("as3l-4", "imagenet/1%")
    file = read_yaml(shipped_files()[found.file])
    plan = make_plan(file, found.methods, [Fold(0, 0)], [12812], Path("out"))
    for run in plan[1:]:  # the first is fine-tuned without unlabelled images
        assert (run.settings.p_cutoff, run.settings.ulb_loss_ratio) == (0.7, 10.0), run.method.label
    assert [run.settings.active_base for run in plan[1:]] == [
        "flexmatch", "flexmatch", "fixmatch_eman", "flexmatch", "fixmatch_eman",
    ]  # fmt: skip
