"""`usb-ext curves`: what is drawn of which runs, and that the pictures are the same each time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from support.evidence import fake_run

from usb_ext.cli.main import main
from usb_ext.papers.curves import (
    COLOURS,
    DASHES,
    CurveGroup,
    curves,
    draw_groups,
    make_references,
)

KEY = "eval/top-1-acc"
STEPS = np.array([10.0, 20.0])


def group(label: str, curves: list[list[float]], remarks: tuple[str, ...] = ()) -> CurveGroup:
    return CurveGroup(label, STEPS, np.array(curves), list(remarks))


def band_of(figure: Figure) -> Any:
    (band,) = [c for c in figure.axes[0].collections if isinstance(c, PolyCollection)]
    return {tuple(np.round(point, 6)) for point in band.get_paths()[0].vertices}


def test_the_line_is_the_mean_and_the_band_is_what_the_legend_says() -> None:
    """20 and 60%: mean 40, sample deviation 20 times the root of 2; 40 and 80%: 60."""
    groups = [group("fixmatch", [[0.2, 0.4], [0.6, 0.8]])]
    figure = draw_groups(groups, KEY, "std")
    (line,) = figure.axes[0].lines
    assert np.allclose(line.get_xydata(), [[10, 40], [20, 60]])
    half = round(20 * 2**0.5, 6)
    assert {(10, 40 - half), (10, 40 + half), (20, 60 - half), (20, 60 + half)} <= band_of(figure)
    (legend,) = figure.legends
    assert legend.get_title().get_text() == "mean, ± 1 std over runs"
    assert legend.get_texts()[0].get_text() == "fixmatch (n=2)"
    figure = draw_groups(groups, KEY, "range")
    assert {(10, 20), (10, 60), (20, 40), (20, 80)} <= band_of(figure)
    assert "lowest to highest" in figure.legends[0].get_title().get_text()


def test_a_single_run_has_no_band_and_common_steps_are_said() -> None:
    figure = draw_groups([group("a", [[1, 2]], ("drawn on 2 common steps of",))], "lr", "std")
    axes = figure.axes[0]
    assert not axes.collections and axes.get_ylabel() == "lr"
    assert np.allclose(axes.lines[0].get_ydata(), [1, 2])
    assert figure.legends[0].get_texts()[0].get_text() == "a (n=1, common steps)"
    assert figure.legends[0].get_title().get_text() == ""


def test_sixteen_methods_are_told_apart() -> None:
    figure = draw_groups([group(str(n), [[0, n]]) for n in range(16)], KEY, "std")
    looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
    assert len(looks) == 16
    assert len(COLOURS) * len(DASHES) >= 16


# Machado, Oliveira, Fernandes 2009, severity 1: linear RGB as a protanope and a deuteranope see it
BLIND = {
    "red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


@pytest.mark.parametrize("kind", BLIND)
def test_colours_are_told_apart_without_red_or_green(kind: str) -> None:
    linear = np.array([to_rgb(colour) for colour in COLOURS]) ** 2.2
    seen = np.clip(linear @ np.array(BLIND[kind]).T, 0, 1) ** (1 / 2.2)
    for number, first in enumerate(seen):
        for second in seen[number + 1 :]:
            assert np.linalg.norm(first - second) > 0.15


@pytest.fixture
def runs(tmp_path: Path) -> str:
    for seed in (0, 1):
        rows = [{"it": step, KEY: (step + seed) / 100} for step in (10, 20, 30 + seed)]
        fake_run(tmp_path / "runs" / f"lm{seed}", rows=rows, seed=seed)
    fake_run(tmp_path / "runs" / "fm", rows=[{"it": 10, KEY: 0.5}], algorithm="fixmatch")
    return str(tmp_path / "runs")


def test_both_files_are_written_and_are_the_same_each_time(runs: str, tmp_path: Path) -> None:
    lines = curves([runs], out=tmp_path / "first")
    assert [line.partition(";")[0] for line in lines] == [
        "fixmatch: n=1: no band, steps 10 to 10",
        "layermatch: mean and ± 1 std over n=2 runs, steps 10 to 20",
        "layermatch: drawn on 2 common steps of the 4 that were logged",
        str(tmp_path / "first.png"),
        str(tmp_path / "first.svg"),
    ]
    curves([runs], out=tmp_path / "second.v2.svg")
    for suffix in (".png", ".svg"):
        first = (tmp_path / f"first{suffix}").read_bytes()
        assert first == (tmp_path / f"second.v2{suffix}").read_bytes()
    assert first.startswith(b"<?xml")
    assert (tmp_path / "first.png").read_bytes().startswith(b"\x89PNG")


def test_command(runs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "by")
    assert main(["curves", runs, "--out", out, "--by", "seed", "--by", "dataset"]) == 0
    text = capsys.readouterr().out
    assert "seed 0, dataset cifar10: mean and ± 1 std over n=2 runs, steps 10 to 10" in text
    assert "seed 0, dataset cifar10: its runs differ in algorithm" in text


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--key", "eval/loss"], 3, "no row with eval/loss; choose a --key it has: eval/top-1-acc"),
        (["--out", "/nowhere/x"], 3, "/nowhere/x.png could not be written"),
        (["--by", "colour"], 2, "--by colour is no setting"),
        (["/nowhere"], 3, "/nowhere: no run there"),
    ],
)
def test_mistakes_are_one_line(
    runs: str, words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["curves", runs, *words]) == code
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count("\n") == 1 and captured.out == ""


def test_broken_metrics_name_file_and_line(
    runs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "runs" / "fm" / "metrics.jsonl").open("a") as file:
        file.write('{"it": 20, "eval/to')
    assert main(["curves", runs, "--out", str(tmp_path / "x")]) == 3
    assert "fm/metrics.jsonl:2 is no row of metrics" in capsys.readouterr().err
    assert not list(tmp_path.glob("x*")) and not list(tmp_path.glob(".x*"))


def test_a_reference_is_the_mean_end_of_its_runs_across_the_picture(
    runs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """LayerMatch's two runs end at 30 and at 32 %, on steps of their own: 31 % across."""
    figure = draw_groups(
        [group("a", [[0.1, 0.2]])], KEY, "std", make_references([f"{runs}/lm*"], KEY)
    )
    line = figure.axes[0].lines[1]
    assert np.allclose(line.get_ydata(), 31) and line.get_label() == "layermatch, end (n=2)"
    places = ["--reference", f"{runs}/lm*", "--reference", f"{runs}/fm"]
    assert main(["curves", f"{runs}/lm0", *places, "--out", str(tmp_path / "both")]) == 0
    said = capsys.readouterr().out
    assert "layermatch, end (n=2): 0.31\n" in said and "fixmatch, end (n=1): 0.5\n" in said
    assert main(["curves", runs, "--reference", "/nowhere", "--out", str(tmp_path / "x")]) == 3


def test_a_tilde_is_the_home_folder_also_after_an_equals_sign(
    runs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shells leave it there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(["curves", "~/runs/lm0", "--out=~/drawn"]) == 0
    assert (tmp_path / "drawn.png").is_file() and not (tmp_path / "~").exists()
