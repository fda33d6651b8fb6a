"""What is asked of a comparison: its folder, its order, and what is refused before any run."""

from pathlib import Path
from typing import Any

import pytest
from support.compare import GIVEN

from usb_ext.comparison.asked import Asked, compare_asked, order_of, planned
from usb_ext.comparison.methods import Given, methods_of, parse_methods
from usb_ext.core.errors import DataMissing, SettingsError

TWO = parse_methods(["fixmatch", "low=fixmatch:p_cutoff=0.5"])


def test_the_folder_is_given_or_named_in_save_dir(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert Asked(name="x").place == Path("saved_models/compare_x")
    assert Asked(given=Given({}, {"save_dir": "~/runs"})).place == Path(
        "/home/somebody/runs/compare_methods"
    )
    assert Asked(out=Path("~/here")).place == Path("/home/somebody/here")


def test_a_plan_has_every_method_on_every_fold_and_number(tmp_path: Path) -> None:
    asked = Asked(TWO, Given(dict(GIVEN), {}), seeds=(1, 2), num_labels=(40, 20), out=tmp_path)
    plan, order = planned(asked)
    assert [(run.num_labels, run.fold.seed, run.method.label) for run in plan] == [
        (count, seed, label)
        for count in (20, 40)
        for seed in (1, 2)
        for label in ("fixmatch", "low")
    ]
    assert list(order.about["methods"]) == ["fixmatch", "low"]
    assert order.about["methods"]["low"]["settings"] == {"p_cutoff": 0.5}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"jobs": 0}, SettingsError, "--jobs is 0"),
        ({"metric": "first"}, SettingsError, "--metric is 'first'; use last, best, median20"),
        ({"time_to": "uda"}, SettingsError, "--time-to is 'uda'"),
        ({"against": "nothing"}, DataMissing, "there is no compare.json"),
    ],
)
def test_an_order_that_cannot_be_is_refused(
    changed: dict[str, Any], error: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        order_of(Asked(TWO, out=tmp_path, **changed), ("fixmatch", "low"), {})


@pytest.mark.parametrize(
    "changed", [{"seeds": (1,)}, {"num_labels": (40,)}, {"given": Given({}, {"lr": 0.1})}],
    ids=["seeds", "labels", "settings"],
)  # fmt: skip
def test_finished_runs_take_nothing_else(changed: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--from reads finished runs"):
        compare_asked(Asked(runs=(tmp_path,), out=tmp_path, **changed))
    with pytest.raises(SettingsError, match="--from needs --out DIR"):
        compare_asked(Asked(runs=(tmp_path,)))


def test_methods_by_label_are_those_of_the_texts() -> None:
    by_label = {
        "fixmatch": {"algorithm": "fixmatch"},
        "low": {"algorithm": "fixmatch", "p_cutoff": 0.5},
    }
    assert methods_of(by_label) == TWO == methods_of(["fixmatch", "low=fixmatch:p_cutoff=0.5"])
    assert methods_of("fixmatch") == TWO[:1]
