"""Methods as they are written, and what the command line refuses before any run."""

from pathlib import Path
from typing import Any

import pytest
from support.run import TINY

from usb_ext.cli import main as cli
from usb_ext.comparison.methods import OWN, RESERVED, parse_method, parse_methods, read_target
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


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    given = {**TINY, "save_dir": str(tmp_path / "saved"), "overwrite": True}
    path.write_text("".join(f"{name}: {value}\n" for name, value in given.items()))
    return path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seeds", "0"], "--methods NAME NAME"),
        (["--methods", "fixmatch", "--from", "x"], "--methods NAME NAME"),
        (["--methods", "fixmatch", "--seeds", "0", "0"], "a fold twice"),
        (["--methods", "fixmatch", "--seeds", "0", "1", "--label-seeds", "0", "1", "2"], "paired"),
        (["--methods", "fixmatch", "--seeds", "-1"], "method 'fixmatch': seed: got -1"),
        (["--methods", "fixmatch", "--num-labels", "20", "20"], "a count twice"),
        (["--methods", "fixmatch", "--num-labels", "15"], "does not divide by num_classes"),
        (["--methods", "fixmatch", "--jobs", "0"], "--jobs is 0"),
        (["--methods", "fixmatch", "--lrr", "1"], "--lrr"),
        (["--methods", "fixmatch", "--lr", "fast"], "lr: got 'fast'"),
        (["--methods", "fixmatch", "--time-to", "uda"], "--time-to is 'uda'"),
        (["--methods", "fixmatch", "mixmatch:extensions=grad_relu"], "method 'mixmatch:ext"),
        (["--methods", "fixmatch", "fixmach"], "method 'fixmach': algorithm is 'fixmach'"),
    ],
)
def test_mistakes_end_before_any_run(
    config: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    before = set(config.parent.rglob("*"))
    assert cli.main(["compare", "--c", str(config), *words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert set(config.parent.rglob("*")) == before


def test_the_command_trains_reports_and_takes_any_setting(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a process of its own, as `usb-ext train` does it."""
    words = [
        "compare",
        "--c",
        str(config),
        "--methods",
        "mine=fixmatch:p_cutoff=0.5",
        "--seeds",
        "3",
    ]
    assert cli.main([*words, "--num_train_iter", "2", "--epoch=1"]) == 0
    out = config.parent / "saved" / "compare_tiny"
    shown = capsys.readouterr()
    assert f"{out}/compare.json" in shown.out and "1/1 mine_n10_l3_s3: error" in shown.err
    stored = (out / "runs" / "mine_n10_l3_s3" / "config.yaml").read_text()
    for line in ("p_cutoff: 0.5", "num_train_iter: 2", "epoch: 1", "label_seed: 3", "seed: 3"):
        assert line in stored.splitlines()
    assert cli.main([*words, "--num_train_iter", "2", "--epoch=1"]) == 0
    assert "runs: 1, finished before: 1, to do: 0" in capsys.readouterr().err
    assert cli.main([*words, "--num_train_iter", "3", "--epoch=1"]) == 2
    assert "num_train_iter 2 then, 3 now" in capsys.readouterr().err
    run, other = out / "runs" / "mine_n10_l3_s3", config.parent / "other"
    assert cli.main(["compare", "--from", str(run), "--out", str(other)]) == 0
    assert (other / "compare.csv").read_text().count("fixmatch,10,3,3,True") == 1
