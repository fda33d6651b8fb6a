"""Runs whose steps leave rows out: resumed, in several processes, and beside runs over all rows."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.processes import in_processes
from support.run import SIX, assert_same_state, checkpoint_of, metrics_of, run
from support.steps import compared

from usb_ext.settings import load_settings
from usb_ext.settings.digest import config_sha256

BOTH = {"weak_no_grad": "always", "selected_only": "always"}
VIT: dict[str, Any] = {
    **SIX,
    "net": "support.nets:tiny_vit",
    "img_size": 8,
    "lr": 0.01,
}


@pytest.mark.parametrize("algorithm", ["layermatch", "weak_strong"])
def test_a_resumed_run_is_bit_identical_and_one_over_all_rows_the_same_up_to_rounding(
    tmp_path: Path, algorithm: str
) -> None:
    given = {**VIT, "algorithm": algorithm, "base": "adamatch", "p_cutoff": 1.0}
    run(tmp_path / "whole", **given, **BOTH)
    assert run(tmp_path / "cut", stop_after=2, **given, **BOTH) is None
    run(tmp_path / "cut", resume=True, **given, **BOTH)
    run(tmp_path / "all", **given)
    whole, cut, everything = (checkpoint_of(tmp_path / n) for n in ("whole", "cut", "all"))
    assert_same_state(whole, cut)
    assert metrics_of(tmp_path / "whole") == metrics_of(tmp_path / "cut")
    for part in ("model", "ema_model"):
        for name, value in whole[part].items():
            torch.testing.assert_close(
                value, everything[part][name], rtol=1e-3, atol=1e-4, msg=name
            )
    rows = {n: [row["rows/step"] for row in metrics_of(tmp_path / n)] for n in ("whole", "all")}
    assert set(rows["all"]) == {20.0} and max(rows["whole"]) <= 12.0
    assert min(rows["whole"]) < 12.0


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    small = {"batch_size": 5, "uratio": 2, "ema_m": 0.5, "lr": 0.1, "p_cutoff": 0.15, **BOTH}
    vit = {**small, "net": "support.nets:plain_vit", "img_size": 8}
    cases: list[tuple[str, dict[str, Any]]] = [
        ("fixmatch", {**vit, "algorithm": "fixmatch"}),
        ("layermatch", {**vit, "algorithm": "layermatch", "use_quantile": True}),
        ("eman", {**vit, "algorithm": "fixmatch_eman", "use_cat": False}),
    ]
    found = in_processes(2, compared, str(tmp_path), cases)[0]
    assert found.keys() == {name for name, _ in cases}
    assert all(gap < 1e-10 and used > 0 for gap, _, used in found.values()), found


def test_a_saving_is_no_part_of_a_runs_digest() -> None:
    plain, saved = (load_settings({"dataset": "digits", **more}).settings for more in ({}, BOTH))
    assert config_sha256(plain) == config_sha256(saved)


def test_rows_apart_are_resumed_bit_for_bit_and_are_part_of_a_runs_digest(tmp_path: Path) -> None:
    given: dict[str, Any] = {**SIX, "algorithm": "layermatch", "bn_rows": "separate"}
    run(tmp_path / "whole", **given)
    assert run(tmp_path / "cut", stop_after=2, **given) is None
    run(tmp_path / "cut", resume=True, **given)
    assert_same_state(*(checkpoint_of(tmp_path / n) for n in ("whole", "cut")))
    assert {row["rows/step"] for row in metrics_of(tmp_path / "whole")} == {12.0}
    plain, apart = (
        load_settings({"dataset": "digits", **more}).settings
        for more in ({}, {"bn_rows": "separate"})
    )
    assert config_sha256(plain) != config_sha256(apart)
