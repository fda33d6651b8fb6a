"""The algorithms' options against the released wheel, whose source is read and not imported."""

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import ValidationError

from usb_ext.settings import Settings, load_settings
from usb_ext.settings.model import DEAD
from usb_ext.settings.usb_options import ConsistencySettings, ImbalanceSettings, ThresholdSettings

MADE_AT_RUN_TIME = {"distributed", "lb_dest_len", "ulb_dest_len", "lb_class_dist", "ulb_class_dist"}
"""What USB itself puts into `args` while it runs."""

OUR_OWN_DEFAULTS = {
    "algorithm": "layermatch",
    "save_name": None,
    "overwrite": False,
    "num_log_iter": 50,
    "num_eval_iter": 500,
    "seed": 0,
    "amp": "off",
    "pretrain_path": None,
    "include_lb_to_ulb": True,
}
"""Where a default differs from USB's on purpose, or only in its spelling ('True', '')."""


class Option(NamedTuple):
    """One `SSL_Argument(name, type, default)` of the wheel."""

    file: str
    name: str
    kind: str
    default: object


def wheel() -> Path:
    spec = find_spec("semilearn")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def trees(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for path in sorted((wheel() / folder).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def constant(node: ast.expr) -> object:
    """A literal, or a quotient of two as in 1 / 64."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return ast.literal_eval(node.left) / ast.literal_eval(node.right)
    return ast.literal_eval(node)


def options() -> Iterator[Option]:
    for path, tree in trees("algorithms", "imb_algorithms"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "SSL_Argument":
                name = str(constant(node.args[0])).lstrip("-")
                yield Option(path.stem, name, ast.unparse(node.args[1]), constant(node.args[2]))


OPTIONS = list(options())


def test_the_wheel_was_read() -> None:
    assert {"fixmatch", "freematch", "vat", "daso", "debiaspl"} <= {o.file for o in OPTIONS}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda o: f"{o.file}-{o.name}")
def test_every_option_is_a_setting_open_by_default_that_takes_its_default(option: Option) -> None:
    assert option.name in Settings.model_fields
    assert getattr(Settings(), option.name) is None
    settings = Settings.model_validate({option.name: option.default})
    assert getattr(settings, option.name) == option.default


@pytest.mark.parametrize("option", OPTIONS, ids=lambda o: f"{o.file}-{o.name}")
def test_every_option_has_the_type_that_the_wheel_declares(option: Option) -> None:
    wrong = {"int": 1.5, "float": "0.5", "str2bool": "True", "str": 1}[option.kind]
    with pytest.raises(ValidationError):
        Settings.model_validate({option.name: wrong})


def config_arguments() -> Iterator[tuple[str, object]]:
    """Name and default of each argument that `lighting/config.py` writes out."""
    tree = ast.parse((wheel() / "lighting" / "config.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "parser.add_argument"):
            continue
        words = [str(a.value) for a in node.args if isinstance(a, ast.Constant)]
        keywords = {k.arg: k.value for k in node.keywords}
        for word in words:
            if word.startswith("--") and word != "--c":
                default = keywords.get(
                    "default", ast.Constant(False if "action" in keywords else None)
                )
                yield word.lstrip("-").replace("-", "_"), constant(default)


def test_every_argument_of_usbs_config_is_a_setting_with_its_default() -> None:
    usb = dict(config_arguments())
    assert {"batch_size", "dist_url", "sample_rate", *OUR_OWN_DEFAULTS} <= set(usb)
    for name, default in usb.items():
        expected = OUR_OWN_DEFAULTS.get(name, default)
        assert Settings.model_fields[name].default == expected, name


def test_whatever_usb_reads_from_args_is_a_live_setting() -> None:
    read = set()
    for _, tree in trees("algorithms", "imb_algorithms", "core", "datasets", "lighting"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("args", "self.args"):
                read.add(node.attr)
    read -= {"__dict__", *MADE_AT_RUN_TIME}
    assert {"p_cutoff", "net", "img_size"} <= read
    assert read <= set(Settings.model_fields) - DEAD


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("T", 0),
        ("p_cutoff", 1.01),
        ("p_cutoff", -0.01),
        ("ema_p", 1.5),
        ("ent_loss_ratio", -0.1),
        ("n_sigma", 0),
        ("tsa_schedule", "cosine"),
        ("gamma", 0),
        ("num_wu_eval_iter", 0),
    ],
)
def test_threshold_ranges(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        ThresholdSettings.model_validate({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("unsup_warm_up", 0),
        ("mixup_alpha", -1),
        ("smoothing_alpha", 1.1),
        ("proj_size", 0),
        ("K", 0),
        ("vat_eps", 0),
        ("queue_batch", 0),
    ],
)
def test_consistency_ranges(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        ConsistencySettings.model_validate({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("abc_p_cutoff", 2),
        ("cossl_tfe_augment", "medium"),
        ("crest_num_gens", 0),
        ("daso_T_proto", 0.0),
        ("tras_A", 0.5),
        ("debiaspl_ema_p", 1.1),
    ],
)
def test_imbalance_ranges(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        ImbalanceSettings.model_validate({name: value})


def test_none_as_a_schedule_is_not_the_none_of_an_open_setting() -> None:
    assert load_settings({"tsa_schedule": "none"}).settings.tsa_schedule == "none"
    assert load_settings({"tsa_schedule": "None"}).settings.tsa_schedule is None


def test_zero_is_a_value_and_not_an_open_setting() -> None:
    settings = load_settings({"p_cutoff": 0, "ent_loss_ratio": 0.0, "num_wu_iter": 0}).settings
    assert (settings.p_cutoff, settings.ent_loss_ratio, settings.num_wu_iter) == (0, 0, 0)
