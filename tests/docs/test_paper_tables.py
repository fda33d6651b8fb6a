"""`docs/papers/tables.md`: a row for each table and figure of the papers, and commands that do what rows say.

Every command is planned, checked or parsed as it stands; one of each kind is run on digits at toy size.
"""

import re
import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.compare import Ended
from support.pages import DOCS, ROOT
from support.run import undrawn

import usb_ext
from usb_ext.cli.main import build_parser, main
from usb_ext.comparison.plan import Planned
from usb_ext.data.arrays import load_digits_arrays
from usb_ext.papers.studies import study_named
from usb_ext.settings import load_settings, parse_flags
from usb_ext.training.train import train

PAGE = DOCS / "papers" / "tables.md"
STATUS = {"runs here", "needs data, GPU", "needs data", "not in the text", "drawing"}
COUNTS = {
    "LayerMatch": ("layermatch", 7, 3),
    "Smooth Pseudo-Labeling": ("smooth", 14, 9),
    "Influence weighting": ("influence", 3, 4),
    "AS3L": ("as3l", 10, 8),
}
"""Tables and figures of each paper, counted in their texts."""
FILLED = {"DIR": "folder", "FILE": "config/layermatch_digits_10.yaml"}


def sections() -> dict[str, list[list[str]]]:
    """The rows of each paper: name, what, command, status, ours."""
    found = {}
    for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        lines = [line for line in part.splitlines() if line.startswith("| ")][1:]
        found[part.splitlines()[0]] = [
            [cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines
        ]
    return found


ROWS = [(paper, row) for paper, rows in sections().items() for row in rows]
COMMANDS = [
    pytest.param(shlex.split(command)[1:], id=f"{row[0]}: {command[8:60]}")
    for _, row in ROWS
    for command in re.findall(r"`(usb-ext [^`]+)`", row[2])
]


@pytest.fixture(autouse=True)
def at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_every_table_and_figure_has_one_row() -> None:
    rows = sections()
    assert rows.keys() == COUNTS.keys()
    published = usb_ext.published()
    for paper, (short, tables, figures) in COUNTS.items():
        names = [name for row in rows[paper] for name in row[0].split(", ")]
        said = " ".join(f"{row[0]}, {row[1]}" for row in rows[paper])
        for number in range(1, tables + 1):
            assert len(re.findall(rf"\bTable {number}\b", said)) == 1, (paper, number)
        for number in range(1, figures + 1):
            assert len(re.findall(rf"\bFig\. {number}\b", said)) >= 1, (paper, number)
        own = [name for name in published if name.startswith(f"{short}-")]
        assert sorted(n.strip("`") for n in names if n.startswith("`")) == sorted(own)


@pytest.mark.parametrize(("paper", "row"), ROWS, ids=[f"{p} {r[0]}" for p, r in ROWS])
def test_a_row_is_whole(paper: str, row: list[str]) -> None:
    assert len(row) == 5 and row[3] in STATUS, row
    command, status, ours = row[2:]
    assert ("`usb-ext" in command) or command.startswith("none")
    assert command == "none" or status != "drawing"
    if status == "runs here":
        assert "](../results/" in ours or "test" in ours or "likewise" in ours
    if re.search(r"\d", re.sub(r"\]\([^)]*\)", "", ours)):
        assert "](../results/" in ours, "a number links its page"


def test_cells_that_a_row_counts_are_there() -> None:
    from usb_ext.papers.rows import cells_of

    counted = 0
    for _, row in ROWS:
        more = re.search(r"--paper (\S+) --cell (\S+?)`?, and (\d+) cells more", row[2])
        if more:
            counted += 1
            cells = cells_of(more[1])
            assert more[2] in cells and len(cells) == int(more[3]) + 1, row[0]
    assert counted > 3


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_is_taken_as_it_stands(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    name, words = words[0], [FILLED.get(word, word) for word in words]
    if name == "compare":
        assert main([*words, "--dry-run"]) == 0
        said = capsys.readouterr().out
        assert re.search(r"^\d+ runs of [\d or]+ steps in ", said, re.M), said
    elif name == "check-config":
        assert main(words) in (0, 3)  # 3: the data set is not on this machine
    elif name == "study":
        assert study_named(words[1]) == words[1]
        file, flags = parse_flags(words[2:])
        load_settings(file, flags)
    elif name in ("train", "prior-grid"):
        file, flags = parse_flags(words[1:])
        load_settings(file, flags)
    else:
        build_parser(words).parse_args(words)


TOY = {
    "dataset": "digits", "num_classes": 10, "net": "wrn_10_1", "img_size": 8, "num_train_iter": 2,
    "epoch": 1, "num_eval_iter": 1, "num_log_iter": 1, "batch_size": 4, "uratio": 1, "num_workers": 0,
    "device": "cpu", "num_threads": 1, "augment": "batched", "progress": "off", "num_warmup_iter": 0,
}  # fmt: skip


def flags_of(**given: Any) -> list[str]:
    return [word for name, value in given.items() for word in (f"--{name}", str(value))]


def command_of(name: str, start: str) -> list[str]:
    """The words of a row's command that begins so."""
    (row,) = [row for _, row in ROWS if name in row[0].split(", ") and start in row[2]]
    return next(shlex.split(c)[1:] for c in re.findall(r"`(usb-ext [^`]+)`", row[2]) if start in c)


def test_a_comparison_its_curves_and_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """LayerMatch's Fig. 1 from its two commands, two steps a run; then the runs beside Table 2."""

    def begin(run: Planned, out: Path, lock: int) -> Ended:
        train(load_settings(run.settings.model_dump()))
        return Ended()

    monkeypatch.setattr("usb_ext.comparison.stage.forks", lambda: nullcontext(begin))
    compare = command_of("Fig. 1", "compare --c config/layermatch_scratch")
    curves = command_of("Fig. 1", "curves fig1")
    at = [str(tmp_path / word) if word.startswith("fig1") else word for word in (*compare, *curves)]
    with undrawn():
        assert main([*at[: len(compare)], *flags_of(**TOY, num_labels=40)]) == 0
    assert main(at[len(compare) :]) == 0
    assert (tmp_path / "fig1" / "curves.png").exists()
    said = capsys.readouterr().out
    assert "fullysupervised, end (n=1)" in said and "fixmatch + grad_relu: n=1" in said
    assert main(["table", "layermatch-2", str(tmp_path / "fig1" / "runs")]) == 0
    assert "FixMatch" in capsys.readouterr().out


def test_a_run_that_logs_the_mechanism(tmp_path: Path) -> None:
    words = command_of("Sec. 4.1", "log_mechanism")
    with undrawn():
        assert main([*words, *flags_of(**TOY), "--save_dir", str(tmp_path)]) == 0
    (metrics,) = tmp_path.rglob("metrics.jsonl")
    assert "mechanism/theorem_4_2" in metrics.read_text()


def test_a_figure_that_needs_no_run(tmp_path: Path) -> None:
    assert main([*command_of("Fig. 6", "smooth-shapes"), "--out", str(tmp_path)]) == 0
    assert (tmp_path / "smooth-shapes.png").exists()


def test_studies_grids_and_pictures_of_features(tmp_path: Path) -> None:
    targets = load_digits_arrays(16).train_targets
    noise = np.random.default_rng(0).normal(scale=0.05, size=(len(targets), 10))
    path = tmp_path / "features.npz"
    np.savez(path, features=(np.eye(10)[targets] + noise).astype(np.float32), labels=targets)
    given = {
        "dataset": "digits", "num_classes": 10, "img_size": 16, "as3l_tune_epochs": 1,
        "as3l_runs": 2, "features": path, "save_dir": tmp_path,
    }  # fmt: skip
    small = [*flags_of(**given), "--budgets", "10", "--seeds", "0"]
    assert main([*command_of("`as3l-9`", "study"), *small]) == 0
    assert (tmp_path / "study_as3l-9" / "as3l-9.csv").exists()
    assert main([*command_of("`as3l-8`", "prior-grid"), *small, "--strategies", "random"]) == 0
    tsne = [str(path) if w == "FEATURES" else w for w in command_of("Fig. 5", "tsne")]
    tsne[tsne.index("--out") + 1] = str(tmp_path / "tsne.png")
    assert main([*tsne, "--most", "60", "--perplexity", "5"]) == 0
    assert (tmp_path / "tsne.png").exists()
