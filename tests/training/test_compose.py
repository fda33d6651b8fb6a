"""Options that algorithms declare, and the namespace that USB's classes read."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from support.run import SIX, run

from usb_ext.settings import config_sha256, load_settings
from usb_ext.training.compose import algorithm_classes, build_namespace, declarations, resolved


def settings(**given: object) -> object:
    return load_settings({"dataset": "digits", "num_classes": 10, **given}).settings


def option(name: str, default: object) -> SimpleNamespace:
    return SimpleNamespace(name=name, default=default)


class First:
    @staticmethod
    def get_argument() -> list[SimpleNamespace]:
        return [option("--T", 0.25), option("--p_cutoff", 0.9)]


class Second:
    @staticmethod
    def get_argument() -> list[SimpleNamespace]:
        return [option("--T", 0.75)]


class Silent:
    @staticmethod
    def get_argument() -> None:
        return None


def test_the_first_declaration_of_a_name_counts() -> None:
    found = {d.name: d.default for d in declarations((First, Silent, Second, object))}
    assert found == {"--T": 0.25, "--p_cutoff": 0.9}


def test_open_options_are_filled_and_given_ones_stay() -> None:
    filled = resolved(settings(algorithm="fixmatch", p_cutoff=0.5, seed=3), (First,))  # type: ignore[arg-type]
    assert (filled.T, filled.p_cutoff, filled.label_seed) == (0.25, 0.5, 3)


@pytest.mark.parametrize(
    "name", ["smooth_exponent", "prior_until", "ac_reset_iter", "influence_lr"]
)
def test_options_of_extensions_that_do_not_run_stay_out_of_the_hash(name: str) -> None:
    """Nothing reads them, so two runs that differ there alone are the same run."""
    runs = (settings(algorithm="fixmatch", **given) for given in ({}, {name: 3}))
    hashes = {config_sha256(resolved(s, algorithm_classes(s))) for s in runs}  # type: ignore[arg-type]
    assert len(hashes) == 1


def test_usb_finds_one_process_its_device_and_no_empty_path() -> None:
    parts = SimpleNamespace(device=torch.device("cpu"))
    args = build_namespace(settings(algorithm="fixmatch", amp="bf16"), parts)  # type: ignore[arg-type]
    assert (args.distributed, args.world_size, args.rank) == (False, 1, 0)
    assert args.amp is True and args.gpu == parts.device and args.pretrain_path == ""
    assert args.parts is parts


def test_resolved_settings_name_usbs_own_values(tmp_path: Path) -> None:
    run(tmp_path, algorithm="mixmatch", **SIX)
    written = load_settings(tmp_path / "run" / "config.yaml").settings
    assert (written.T, written.unsup_warm_up, written.mixup_alpha) == (0.5, 1 / 64, 0.5)
