"""Methods as they are written, and what is refused of them."""

from pathlib import Path
from typing import Any

import pytest

from usb_ext.comparison.methods import (
    OWN,
    RESERVED,
    Order,
    parse_method,
    parse_methods,
    read_target,
)
from usb_ext.core.errors import SettingsError
from usb_ext.settings.model import Settings


@pytest.mark.parametrize(
    ("text", "label", "algorithm", "values"),
    [
        ("fixmatch", "fixmatch", "fixmatch", {}),
        ("layermatch:grad_relu=False", None, "layermatch", {"grad_relu": False}),
        ("fixmatch:p_cutoff=0.9, T=0.5", None, "fixmatch", {"p_cutoff": 0.9, "T": 0.5}),
        ("tau.9=fixmatch:p_cutoff=0.9", "tau.9", "fixmatch", {"p_cutoff": 0.9}),
        ("plain = uda", "plain", "uda", {}),
        ("fixmatch:p-cutoff=5e-01", None, "fixmatch", {"p_cutoff": 0.5}),
        ("a=uda:extensions=grad_relu", "a", "uda", {"extensions": ["grad_relu"]}),
        (
            "a=uda:extensions=grad_relu,avg_clustering,lr=0.1",
            "a",
            "uda",
            {"extensions": ["grad_relu", "avg_clustering"], "lr": 0.1},
        ),
        ("a=uda:extensions=[grad_relu]", "a", "uda", {"extensions": ["grad_relu"]}),
        (
            "as3l:as3l_runs=2,as3l_strategy=usl,T=1.0",  # a name with a digit begins a setting, too
            None,
            "as3l",
            {"as3l_runs": 2, "as3l_strategy": "usl", "T": 1.0},
        ),
    ],
)
def test_a_method_is_read(
    text: str, label: str | None, algorithm: str, values: dict[str, Any]
) -> None:
    method = parse_method(text)
    assert (method.label, method.algorithm) == (label or text, algorithm)
    assert dict(method.values) == values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fixmatch:p_cutof=0.9", "did you mean --p_cutoff?"),
        ("fixmatch:0.9", "'0.9' in 'fixmatch:0.9' is no setting"),
        ("fixmatch:seed=1", "sets seed, which is the same for all"),
        ("fixmatch:save-dir=x", "sets save_dir"),
        (":p_cutoff=0.9", "names no method"),
        ("=fixmatch", "names no method"),
        ("fixmatch:T=0.5,T=0.6", "T is given twice"),
    ],
)
def test_a_wrong_method_is_refused(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_method(text)
    assert said in str(caught.value)


def test_methods_that_would_share_a_folder_are_refused() -> None:
    with pytest.raises(SettingsError, match="would share the name 'uda-T-1'"):
        parse_methods(["uda:T=1", "uda-T-1"])


def test_a_slug_is_one_folder_name() -> None:
    assert parse_method("../up and/away=uda").slug == "up-and-away"
    assert parse_method("fixmatch:p_cutoff=0.9").slug == "fixmatch-p_cutoff-0.9"


def test_every_reserved_name_is_a_setting() -> None:
    assert set(Settings.model_fields) >= RESERVED - {"config"} and set(Settings.model_fields) >= OWN


def test_the_target_of_time_to() -> None:
    assert read_target("flexmatch", ("fixmatch", "flexmatch")) == "flexmatch"
    assert read_target("0.9", ("fixmatch",)) == 0.9
    for text in ("90", "0", "uda", "nan"):
        with pytest.raises(SettingsError, match="an accuracy in .0, 1. such as 0.9, or one of"):
            read_target(text, ("fixmatch", "flexmatch"))


def test_an_order_leads_with_the_last_checkpoint(tmp_path: Path) -> None:
    assert (Order(tmp_path).metric, Order(tmp_path).allow_mixed) == ("last", False)
