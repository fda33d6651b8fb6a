"""Influence weighting in whole runs: resumed ones, the degenerate one, and mistakes before any work."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.built import built
from support.run import assert_same_state, checkpoint_of, metrics_of, run

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.methods.influence.extension import options_of
from usb_ext.settings import load_settings
from usb_ext.settings.digest import config_sha256, differing_keys
from usb_ext.training.compose import algorithm_classes, resolved

GIVEN: dict[str, Any] = {
    "algorithm": "influence_fixmatch", "num_val": 30, "influence_every": 2, "influence_val_batch": 20,
    "p_cutoff": 0.1,
}  # fmt: skip


@pytest.mark.parametrize(
    "changed",
    [
        {"augment": "batched"},
        {"algorithm": "influence_uda", "influence_inverse": "cg", "num_workers": 1},
        {"algorithm": "influence_pseudolabel", "influence_inverse": "neumann",
         "influence_neumann_terms": 5, "influence_optimizer": "adam", "ulb_loss_mean": "selected"},
    ],
    ids=lambda c: c.get("algorithm", "influence_fixmatch"),
)  # fmt: skip
def test_a_resumed_run_is_bit_identical(tmp_path: Path, changed: dict[str, Any]) -> None:
    given = {**GIVEN, **changed}
    whole = run(tmp_path / "whole", **given)
    assert run(tmp_path / "cut", stop_after=3, **given) is None
    assert run(tmp_path / "cut", stop_after=6, resume=True, **given) is None
    resumed = run(tmp_path / "cut", resume=True, **given)
    assert whole is not None and resumed is not None
    left, right = checkpoint_of(tmp_path / "whole"), checkpoint_of(tmp_path / "cut")
    assert_same_state(left, right)
    assert metrics_of(tmp_path / "whole") == metrics_of(tmp_path / "cut")
    state = left["usb_ext"]["hooks"]["InfluenceWeightingHook"]
    assert state["updates"] == 4 and (state["table"] != 1).any()
    assert (resumed.num_labels, resumed.num_val, resumed.label_budget) == (10, 30, 40)
    assert resumed.extensions == ["influence"]
    folder = tmp_path / "whole" / "run"
    held_out = json.loads((folder / "validation.json").read_text())
    assert len(held_out) == 30
    assert not set(held_out) & set(json.loads((folder / "labelled.json").read_text()))


def test_without_a_step_size_it_is_the_base_with_the_same_images_held_out(tmp_path: Path) -> None:
    run(tmp_path / "influence", **GIVEN, influence_lr=0.0)
    plain = run(tmp_path / "base", algorithm="fixmatch", num_val=30, p_cutoff=0.1)
    assert plain is not None and plain.label_budget == 40
    for part in ("model", "ema_model", "optimizer"):
        assert_same_state(
            checkpoint_of(tmp_path / "influence")[part], checkpoint_of(tmp_path / "base")[part]
        )
    rows = zip(metrics_of(tmp_path / "influence"), metrics_of(tmp_path / "base"), strict=True)
    shown = [(row.get("validation/top-1-acc"), other.get("validation/top-1-acc"))
             for row, other in rows
             if row["train/total_loss"] == other["train/total_loss"]]  # fmt: skip
    assert len(shown) == len(metrics_of(tmp_path / "base")) > 0
    assert all(weighted == base for weighted, base in shown)
    assert shown[-1][1] == plain.val_top1_last is not None  # both arms, as Table 3 compares them


def test_a_list_of_an_earlier_run_gives_the_same_validation_set(tmp_path: Path) -> None:
    drawn = run(tmp_path / "a", **GIVEN)
    path = tmp_path / "a" / "run" / "validation.json"
    listed = run(tmp_path / "b", **{**GIVEN, "num_val": None}, val_index_file=str(path))
    assert drawn is not None and listed is not None
    assert_same_state(
        checkpoint_of(tmp_path / "a")["model"], checkpoint_of(tmp_path / "b")["model"]
    )


def weights_file(tmp_path: Path, **changed: Any) -> str:
    content = {"index": [3], "weight": [0.25], "dataset": "digits", "n": 1267, **changed}
    np.savez(tmp_path / "w.npz", **content)
    return str(tmp_path / "w.npz")


def test_saved_weights_are_where_a_run_starts(tmp_path: Path) -> None:
    algorithm = built(tmp_path, **GIVEN, influence_weights_file=weights_file(tmp_path))
    weights = algorithm.hooks_dict["InfluenceWeightingHook"].weights
    assert weights[3] == 0.25 and weights.sum() == 1266.25


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"num_val": 0}, SettingsError, "num_val is 0"),
        ({"num_val": 2000}, SettingsError, "num_val is 2000, but 1297"),
        ({"num_val": 1280}, SettingsError, "num_labels asks for"),
        ({"algorithm": "mixmatch", "extensions": ["influence"]}, SettingsError, "mixmatch shows none"),
        ({"dataset": "svhn"}, SettingsError, "is of svhn"),
        ({"n": 5}, SettingsError, "digits with 5 .* digits with 1267"),
        ({"influence_weights_file": "none.npz"}, DataMissing, "no such file"),
        ({"val_index_file": "none.json", "num_val": None}, DataMissing, "none.json"),
    ],
    ids=lambda v: str(v)[:30],
)  # fmt: skip
def test_mistakes_are_named_before_any_work(
    tmp_path: Path, changed: dict[str, Any], error: type[Exception], message: str
) -> None:
    of_file = {k: changed[k] for k in ("dataset", "n") if k in changed}
    given = {**GIVEN, **{k: v for k, v in changed.items() if k not in of_file}}
    if of_file:
        given["influence_weights_file"] = weights_file(tmp_path, **of_file)
    with pytest.raises(error, match=message):
        run(tmp_path, **given)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("scale", "shift", "relative"), [(None, 2.5, 0.0), ("trace", 0.5, 2.0)])
def test_a_damping_is_a_number_or_a_share(scale: str | None, shift: float, relative: float) -> None:
    given = {**GIVEN, "influence_damping": 2.0, "weight_decay": 0.5, "num_train_iter": 200}
    settings = load_settings({**given, "influence_damping_scale": scale}).settings
    found = resolved(settings, algorithm_classes(settings))
    options = options_of(SimpleNamespace(**found.model_dump()))
    assert (options.shift, options.relative) == (shift, relative)


def test_the_mask_of_one_weight_is_part_of_what_a_run_is() -> None:
    """A weight an example has none, so its runs keep their hash; one weight for all names its own."""
    given = {**GIVEN, "num_train_iter": 200}
    apart, one, authors = (
        resolved(settings, algorithm_classes(settings))
        for settings in (
            load_settings({**given, **changed}).settings
            for changed in (
                {},
                {"influence_weights": "single"},
                {"influence_weights": "single", "influence_mask": "authors"},
            )  # fmt: skip
        )
    )
    assert (apart.influence_mask, one.influence_mask, authors.influence_mask) == (
        None, "objective", "authors",
    )  # fmt: skip
    before = one.model_copy(
        update={"influence_mask": None}
    )  # as a run of an earlier version has it
    assert len({config_sha256(s) for s in (apart, one, authors, before)}) == 4
    changed = differing_keys(before.model_dump(), one.model_dump())
    assert changed == {"influence_mask": (None, "objective")}


@pytest.mark.parametrize("base", ["fixmatch", "uda", None])
def test_a_chosen_base_brings_its_own_defaults(base: str | None) -> None:
    given = {"algorithm": "influence", "base": base, "num_val": 30, "num_train_iter": 200}
    settings = load_settings(given).settings
    found = resolved(settings, algorithm_classes(settings))
    own = load_settings({"algorithm": base or "uda"}).settings
    wanted = resolved(own, algorithm_classes(own))
    assert found.active_base == (base or "uda") and found.active_extensions == ("influence",)
    for name in ("T", "p_cutoff", "hard_label", "tsa_schedule"):
        assert getattr(found, name) == getattr(wanted, name), name
