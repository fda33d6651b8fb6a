"""Settings written down: reloadable, hashed over what matters, compared."""

import hashlib
import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from usb_ext.settings import Settings, config_sha256, differing_keys, load_settings, resolved_yaml
from usb_ext.settings.digest import (
    INFLUENTIAL,
    WITHOUT_INFLUENCE,
    as_normalised,
    differing_between_processes,
)
from usb_ext.settings.model import DEAD, GROUPS

ODD: dict[str, object] = {
    "algorithm": "fixmatch",
    "save_name": "off",
    "load_path": "a: b # c.pth",
    "lr": 5e-05,
    "weight_decay": 1e-30,
    "amp": True,
    "extensions": ["avg_clustering", "grad_relu"],
    "grad_relu": False,
    "lb_imb_ratio": -100,
    "label_seed": 0,
    "device": "cuda:1",
    "dataset": "123",
    "data_dir": "C:\\data\u00e9",
    "tsa_schedule": "none",
    "clip": 0.0,
    "progress": "off",
    "gpu": 0,
}


def settings(**given: object) -> Settings:
    return load_settings(given).settings


def read(text: str) -> dict[str, object]:
    content: dict[str, object] = YAML(typ="safe", pure=True).load(text)
    return content


@pytest.mark.parametrize("given", [{}, ODD, {"amp": "bf16"}, {"amp": "off", "resume": True}])
def test_written_settings_load_to_equal_ones(given: dict[str, object], tmp_path: Path) -> None:
    before = settings(**given)
    path = tmp_path / "config.yaml"
    path.write_text(resolved_yaml(before), encoding="utf-8")
    assert load_settings(path).settings == before


def test_keys_stand_in_the_order_of_the_groups_under_headings() -> None:
    text = resolved_yaml(settings(**ODD))
    order = [n for group in GROUPS for n in group.model_fields]
    keys = list(read(text))
    assert keys == sorted(keys, key=order.index)
    assert text.startswith(f"# {GROUPS[0].heading}\n")
    assert text.endswith("\n")


def test_what_is_none_is_left_out_and_so_is_the_order_to_overwrite() -> None:
    written = read(resolved_yaml(load_settings({}, {"overwrite": True}).settings))
    assert "overwrite" not in written
    assert "p_cutoff" not in written
    assert None not in written.values()


@pytest.mark.parametrize(("amp", "written"), [("off", False), ("fp16", True), ("bf16", "bf16")])
def test_amp_is_written_so_that_usb_reads_it_right(amp: str, written: object) -> None:
    assert read(resolved_yaml(settings(amp=amp)))["amp"] == written


def test_the_written_file_names_every_default() -> None:
    defaults = {n for n, f in Settings.model_fields.items() if f.default is not None}
    assert set(read(resolved_yaml(Settings()))) == defaults - {"overwrite"}


def test_what_influences_the_result_is_everything_but_where_and_how() -> None:
    assert set(INFLUENTIAL) | WITHOUT_INFLUENCE == set(Settings.model_fields)
    assert not set(INFLUENTIAL) & WITHOUT_INFLUENCE
    assert DEAD < WITHOUT_INFLUENCE
    assert {"seed", "label_seed", "num_eval_iter", "lr", "extensions", "net"} <= set(INFLUENTIAL)


@pytest.mark.parametrize(
    "change",
    [
        {"save_dir": "/elsewhere"},
        {"save_name": "other"},
        {"resume": True},
        {"load_path": "a.pth"},
        {"use_tensorboard": True, "use_wandb": True, "use_aim": True},
        {"num_workers": 0, "num_threads": 1, "device": "cpu"},
        {"progress": "off", "num_log_iter": 1, "num_save_iter": 1},
        {"data_dir": "/data", "cache_budget_mb": 0},
        {"dist_url": "tcp://127.0.0.1:1", "gpu": 3, "multiprocessing_distributed": True},
        {"clip": 5.0},
        {"p_cutoff": None},
        {"label_seed": 0},
        {"lb_imb_ratio": 1, "clip_grad": 0},
        {"amp": False},
        {"sync_bn": True},
    ],
)
def test_the_hash_does_not_see(change: dict[str, object]) -> None:
    assert config_sha256(settings(**change)) == config_sha256(settings())
    assert differing_keys(change, {}) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"label_seed": 1},
        {"lr": 0.1},
        {"algorithm": "fixmatch"},
        {"amp": True},
        {"ac_reset_iter": 1},
        {"grad_relu": False},
        {"p_cutoff": 0.9},
        {"num_eval_iter": 7},
        {"net": "wrn_10_1"},
        {"ulb_loss_mean": "selected"},
        {"sync_bn": False},
    ],
)
def test_the_hash_sees(change: dict[str, object]) -> None:
    assert config_sha256(settings(**change)) != config_sha256(settings())
    (name,) = change
    assert set(differing_keys(settings(**change).model_dump(), settings().model_dump())) >= {name}


def test_the_hash_does_not_hang_on_the_order_of_extensions() -> None:
    forward = settings(algorithm="uda", extensions=["grad_relu", "avg_clustering"])
    backward = settings(algorithm="uda", extensions=["avg_clustering", "grad_relu"])
    assert config_sha256(forward) == config_sha256(backward)


def test_the_hash_is_sha256_over_sorted_json() -> None:
    """Recomputed here from the written file: JSON of the influential keys, no None, no blanks."""
    given = settings(algorithm="fixmatch", lr=0.1, extensions=["grad_relu"])
    values = {k: v for k, v in read(resolved_yaml(given)).items() if k in INFLUENTIAL}
    absent = ("influence_", "ac_", "smooth_", "lambda_phi", "prior_")  # options of other extensions
    assert values.pop("sync_bn") is True  # it is in no hash that was made before it could be off
    values = {k: v for k, v in values.items() if not k.startswith(absent)}
    values |= {"amp": "off", "label_seed": given.seed}
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    assert config_sha256(given) == hashlib.sha256(text.encode()).hexdigest()


def test_the_hash_sees_the_options_of_an_extension_that_is_on() -> None:
    on = {"algorithm": "influence_uda", "num_val": 100, "influence_every": 10}
    assert config_sha256(settings(**on)) != config_sha256(settings(**on, influence_lr=0.1))
    off = {"algorithm": "uda", "num_val": 100}
    for idle in (
        {"influence_lr": 0.1},
        {"prior_until": 3},
        {"ac_reset_iter": 7},
        {"lambda_phi": 0.5},
    ):
        if "lambda_phi" not in idle:  # which the rules refuse without the part
            assert config_sha256(settings(**off)) == config_sha256(settings(**off, **idle))
        now = settings(**off).model_dump()
        assert differing_keys({**now, **idle}, now) == {}


def test_an_option_of_an_extension_that_is_on_differs() -> None:
    layermatch = settings(algorithm="layermatch").model_dump()
    changed = {**layermatch, "ac_reset_iter": 7}
    assert differing_keys(layermatch, changed) == {"ac_reset_iter": (2048, 7)}
    without = {**layermatch, "avg_clustering": False}
    assert differing_keys(without, {**changed, "avg_clustering": False}) == {}


def test_differing_keys_give_both_values() -> None:
    assert differing_keys({"lr": 0.1, "seed": 1}, {"lr": 0.2, "seed": 1}) == {"lr": (0.1, 0.2)}


def test_a_missing_key_is_at_its_default() -> None:
    default = Settings().batch_size
    assert differing_keys({}, {"batch_size": default}) == {}
    assert differing_keys({}, {"batch_size": 64}) == {"batch_size": (default, 64)}


def test_one_value_in_two_spellings_is_no_difference() -> None:
    usb = {"amp": False, "ulb_num_labels": "None", "lb_imb_ratio": 1, "extensions": []}
    assert differing_keys(usb, settings().model_dump()) == {}
    stored = settings(**ODD).model_dump(mode="json")
    assert differing_keys(stored, settings(**ODD).model_dump()) == {}


def test_the_split_seed_is_compared_and_not_its_spelling() -> None:
    assert differing_keys({"seed": 3}, {"seed": 3, "label_seed": 3}) == {}
    assert differing_keys({"label_seed": 1}, {}) == {"label_seed": (1, 0)}


def test_names_that_are_no_settings_are_not_compared() -> None:
    assert differing_keys({"written_by": "an older version"}, {}) == {}


def test_batch_norm_of_own_rows_is_another_method_for_each_number_of_processes() -> None:
    """On one process it is the batch norm of everybody."""
    off, on = {"sync_bn": False, "lr": 0.1}, {"sync_bn": True, "lr": 0.1}
    assert as_normalised(on, []) == on == as_normalised(off, [1])
    told = [as_normalised(off, counts) for counts in ([2], [4], [2, 1])]
    assert all(values != on for values in told) and told[0] not in told[1:]
    assert as_normalised(off, None) == off, "nothing is known of how many there were"


def test_processes_share_what_decides_the_result_and_when_they_exchange_something() -> None:
    here = settings().model_dump(mode="json")
    own = {
        "rank": 1,
        "gpu": 1,
        "data_dir": "/there",
        "num_workers": 3,
        "progress": "off",
        "clip": 1,
    }
    assert differing_between_processes(here, {**here, **own}) == {}
    for name, value in {"lr": 9.0, "num_save_iter": 7, "sync_bn": False, "resume": True}.items():
        found = differing_between_processes(here, {**here, name: value})
        assert found == {name: (here[name], value)}


def test_the_hash_does_not_see_a_cache_of_decoded_images() -> None:
    folder = {"dataset": "imagefolder"}
    kept = {**folder, "image_cache": "/disk/kept"}
    assert config_sha256(settings(**kept)) == config_sha256(settings(**folder))
    assert differing_keys(kept, folder) == {}
