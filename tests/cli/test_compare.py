"""`usb-ext compare`: what it refuses before any run, what it runs, and reports on runs that are there."""

from pathlib import Path

import pytest
from support.compare import GIVEN, leave
from support.run import TINY

from usb_ext.cli import main as cli
from usb_ext.settings import load_settings


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
        (["--methods", "fixmatch", "--partition", "gpu"], "--partition is about jobs"),
        (["--methods", "fixmatch", "--cluster", "slurm", "--time", "soon"], "--time is 'soon'"),
        (["--from", "x", "--cluster", "local"], "--from trains nothing"),
        (["--status", "x", "--methods", "fixmatch"], "--status DIR only looks"),
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
    assert cli.main(["compare", "--status", str(out)]) == 0
    assert "mine_n10_l3_s3  done   2/2" in capsys.readouterr().out
    run, other = out / "runs" / "mine_n10_l3_s3", config.parent / "other"
    assert cli.main(["compare", "--from", str(run), "--out", str(other)]) == 0
    assert (other / "compare.csv").read_text().count("fixmatch,10,3,3,True") == 1


def test_against_takes_another_comparison_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fixmatch: error 50 there, 40 with the other momentum; the data set must be the same."""
    for name, accuracy in (("plain", 0.5), ("changed", 0.6)):
        given = {**GIVEN, "algorithm": "fixmatch", "momentum": 0.9 if name == "plain" else 0.8}
        place = {"save_dir": str(tmp_path / name), "save_name": "run"}
        leave(load_settings({**given, **place}).settings, accuracy)
        words = ["compare", "--from", str(tmp_path / name), "--out", str(tmp_path / f"page_{name}")]
        assert cli.main([*words, *(["--against", "page_plain"] if name == "changed" else [])]) == 0
    page = capsys.readouterr().out
    assert "gain of each method over its own runs in page_plain" in page
    assert "| gain, mean | +10.00 |" in page
    assert cli.main([*words, "--against", "nothing"]) == 3
    err = capsys.readouterr().err
    assert "--against nothing: there is no compare.json" in err and err.count("\n") == 1
    report = tmp_path / "page_plain" / "compare.json"
    report.write_text(report.read_text().replace('"digits"', '"svhn"'))
    assert cli.main([*words, "--against", "page_plain"]) == 2
    assert "is on svhn, this comparison on digits" in capsys.readouterr().err


def test_from_takes_folders_above_runs_and_patterns(tmp_path: Path) -> None:
    """Two seeds of one method; a pre-training beside them is no run."""
    from usb_ext.cli.main import main

    for seed in (0, 1):
        given = {**GIVEN, "algorithm": "fixmatch", "seed": seed, "label_seed": seed}
        place = {"save_dir": str(tmp_path / "runs"), "save_name": f"s{seed}"}
        leave(load_settings({**given, **place}).settings, 0.5 + seed / 10)
    other = tmp_path / "runs" / "simsiam"
    other.mkdir()
    for name in ("metrics.jsonl", "pretrain.json"):
        (other / name).touch()
    tables = []
    for places in (["runs"], ["runs/s*"], ["runs/s0", "runs/s1"], ["runs", "runs/s1"]):
        named = [str(tmp_path / place) for place in places]
        assert main(["compare", "--from", *named, "--out", str(tmp_path / "out")]) == 0
        tables.append((tmp_path / "out" / "compare.csv").read_text())
    assert tables[0].count("\nfixmatch,40,") == 2 and len(set(tables)) == 1
    assert main(["compare", "--from", str(tmp_path / "none"), "--out", str(tmp_path)]) == 3
