"""Smooth Pseudo-Labeling's studies, their runs made up: what is run, and numbers known by hand."""

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.compare import GIVEN, Trainer

from usb_ext.cli.main import main
from usb_ext.comparison.plan import Planned
from usb_ext.comparison.stage import compare, resolved_plan
from usb_ext.papers import run_studies
from usb_ext.settings import config_sha256
from usb_ext.settings.smooth import exponent_of

Study = Callable[..., tuple[int, str, str]]


class Runs(Trainer):
    """Keeps the runs that were asked for; error 20 + 2 * seed, 5 less for the smooth linear weight."""

    def __init__(self) -> None:
        super().__init__(self.left)
        self.plan: list[Planned] = []

    def left(self, run: Planned) -> Any:
        self.plan.append(run)
        s = run.settings
        smooth = s.algorithm == "smoothfixmatch"
        error = 20.0 + 2 * s.seed - 5 * (smooth and s.smooth_exponent == 1)
        error += 4 * (s.algorithm == "flexmatch" and s.imbalance_class is not None)
        found = {"calibration": {"ulb_loss_ratio": 1.2 + 0.2 * s.seed}} if smooth else {}
        return {"accuracies": round(1 - error / 100, 6), **found}


@pytest.fixture
def runs() -> Runs:
    return Runs()


@pytest.fixture
def study(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, runs: Runs
) -> Study:
    """The command on made-up runs: exit code, output, errors."""
    monkeypatch.setattr(run_studies, "compare", partial(compare, start=runs))
    file = tmp_path / "digits.yaml"
    given = {
        **GIVEN,
        "algorithm": "smoothfixmatch",
        "label_split": "per_class",
        "save_dir": str(tmp_path),
    }
    del given["num_labels"]
    file.write_text("".join(f"{name}: {value}\n" for name, value in given.items()))

    def call(*words: str) -> tuple[int, str, str]:
        code = main(["study", *words, "--c", str(file)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def cells(folder: Path, name: str) -> dict[str, list[str]]:
    """The rows of a study's table by their first cell; of equal ones the last."""
    lines = (folder / f"study_{name}" / f"{name}.md").read_text().splitlines()
    rows = [
        [c.strip() for c in line.strip("|").split("|")] for line in lines if line.startswith("|")
    ]
    return {row[0]: row[1:] for row in rows}


def test_thresholds_are_calibrated_each_at_its_own(
    study: Study, runs: Runs, tmp_path: Path
) -> None:
    code, out, err = study("smooth-threshold", "--seeds", "0", "1")
    assert code == 0, err
    made = {
        (
            s.algorithm,
            s.p_cutoff,
            s.smooth_exponent if "smooth" in s.algorithm else None,
            s.ulb_loss_ratio,
        )
        for s in (run.settings for run in runs.plan)
    }
    taus = (0.8, 0.9, 0.95, 0.98)
    shapes = [exponent_of(name) for name in ("linear", "sq", "sqrt")]
    assert made == {("fixmatch", t, None, 1.0) for t in taus} | {
        ("smoothfixmatch", t, mu, "calibrate") for t in taus for mu in shapes
    }
    rows = cells(tmp_path, "smooth-threshold")
    assert rows["FixMatch"] == ["21.00±1.41 (n=2)"] * 4
    assert rows["Smooth FixMatch"] == ["16.00±1.41 (n=2)"] * 4
    assert "gains over FixMatch at the same threshold" in out
    with Image.open(tmp_path / "study_smooth-threshold" / "smooth-threshold.png") as picture:
        assert min(picture.size) > 200
    begun = len(runs.plan)
    assert study("smooth-threshold", "--seeds", "0", "1")[0] == 0
    assert len(runs.plan) == begun == 4 * 4 * 2


def test_imbalance_is_held_against_each_methods_own_balanced_runs(
    study: Study, runs: Runs, tmp_path: Path
) -> None:
    """FlexMatch rises by 4 points on each of six folds: p = 1/64, of three p-values 3/64 with Holm's."""
    code, _, err = study("smooth-imbalance")
    assert code == 0, err
    cut = {(r.settings.imbalance_class, r.settings.imbalance_fraction) for r in runs.plan}
    assert cut == {(None, None), ("random", 0.5)} and len(runs.plan) == 2 * 3 * 6
    lines = (tmp_path / "study_smooth-imbalance" / "smooth-imbalance.md").read_text()
    at = lines.index("FlexMatch: drop")
    drop, p, corrected = (
        line.split("|")[3].strip() for line in ("|" + lines[at:]).splitlines()[:3]
    )
    assert (drop, p) == ("+4.00", "0.0156")
    assert float(corrected) == pytest.approx(1 / 64, abs=1e-4)  # the two others have no p: all zero
    assert (
        "gain of each method over its own runs in balanced"
        in (tmp_path / "study_smooth-imbalance" / "imbalanced" / "compare.md").read_text()
    )


def test_the_fraction_is_the_users_where_given(study: Study, runs: Runs) -> None:
    cut = ("--imbalance_class", "3", "--imbalance_fraction", "0.1")
    assert study("smooth-imbalance", "--seeds", "0", *cut)[0] == 0
    assert {r.settings.imbalance_class for r in runs.plan} == {None, 3}
    assert {r.settings.imbalance_fraction for r in runs.plan} == {None, 0.1}


def test_momenta(study: Study, runs: Runs, tmp_path: Path) -> None:
    assert study("smooth-momentum", "--seeds", "0", "1")[0] == 0
    assert {r.settings.momentum for r in runs.plan} == {0.8, 0.85, 0.9, 0.95, 0.99}
    assert cells(tmp_path, "smooth-momentum")["gain"] == ["+5.00"] * 5


def test_the_factors_own_loss_is_a_share_of_its_limit(
    study: Study, runs: Runs, tmp_path: Path
) -> None:
    """lambda_u is 1.2 and 1.4 on the two folds, tau 0.95: the limit is 1.3 * 0.05 = 0.065."""
    code, out, err = study("smooth-lambda-phi", "--seeds", "0", "1")
    assert code == 0, err
    found = sorted({r.settings.lambda_phi for r in runs.plan})
    assert found == pytest.approx([0, 0.00065, 0.0065, 0.0325, 0.065])
    assert "limit 0.065: lambda_u 1.3 on average, tau 0.95" in out
    assert len(runs.plan) == 6 * 2  # the runs without the factor's loss are made once


def test_labels_without_class_balance(study: Study, runs: Runs, tmp_path: Path) -> None:
    words = ("smooth-labels", "--budgets", "20", "40", "--seeds", "0", "1", "2")
    code, _, err = study(*words)
    assert code == 0, err
    assert {r.settings.label_split for r in runs.plan} == {"random"}
    rows = cells(tmp_path, "smooth-labels")
    assert rows["gain"] == ["+5.00", "+5.00"]
    assert rows["p, greater"] == [f"{1 / 8:.4f}"] * 2
    assert rows["p, greater (Holm)"] == [f"{2 / 8:.4f}"] * 2
    assert rows["classes covered"] == ["10.00±0.00 (n=3)"] * 2


def test_shapes_need_no_run(study: Study, runs: Runs, tmp_path: Path) -> None:
    assert study("smooth-shapes")[0] == 0 and not runs.plan
    rows = cells(tmp_path, "smooth-shapes")
    assert rows["0.950"] == ["0.000"] * 3 and rows["1.000"] == ["1.000"] * 3
    assert rows["0.975"] == ["0.500", "0.250", "0.707"]


def test_all_studies_together_count_a_run_once(study: Study, runs: Runs, tmp_path: Path) -> None:
    """Default threshold and momentum are one experiment: 4 + 5 - 1 pairs a seed, all gains 5 points."""
    for name in ("smooth-threshold", "smooth-momentum"):
        assert study(name, "--seeds", "0", "1")[0] == 0
    code, out, err = study("smooth-aggregate")
    assert code == 0, err
    rows = cells(tmp_path, "smooth-aggregate")
    n = 2 * (4 + 5 - 1)
    assert rows["all"][:6] == [str(n), "+5.00", "0.00", "+5.00", "+5.00", f"{n} / 0 / 0"]
    assert float(rows["all"][6]) == pytest.approx(0.5**n, rel=0.05)
    assert rows["all"][6] == rows["all"][7]
    with (tmp_path / "study_smooth-aggregate" / "smooth-aggregate.csv").open() as file:
        assert len(list(csv.DictReader(file))) == n


def test_a_flag_that_stands_over_the_file_holds_for_all_methods(study: Study, runs: Runs) -> None:
    assert study("smooth-momentum", "--seeds", "0", "--lr", "0.01", "--T", "0.7")[0] == 0
    assert {(r.settings.lr, r.settings.T) for r in runs.plan} == {(0.01, 0.7)}


def test_arms_share_the_threshold_of_the_file(study: Study, runs: Runs, tmp_path: Path) -> None:
    """USB's recipe for FixMatch has 0.95."""
    file = tmp_path / "digits.yaml"
    file.write_text(file.read_text() + "p_cutoff: 0.7\n")
    assert study("smooth-imbalance", "--seeds", "0")[0] == 0
    assert {r.settings.p_cutoff for r in runs.plan} == {0.7}


def test_a_fixed_fold_with_several_training_seeds(study: Study, runs: Runs) -> None:
    """Sec. 4.3.5: `--label_seed` keeps the labelled images."""
    assert study("smooth-momentum", "--seeds", "0", "1", "--label_seed", "4")[0] == 0
    assert {tuple(r.fold) for r in runs.plan} == {(4, 0), (4, 1)}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("smooth-threshold", "--num_labels", "20"), 2, "the study sets num_labels itself"),
        (("smooth-threshold", "--jobs", "0"), 2, "--jobs is 0"),
        (("smooth-aggregate",), 3, "no study of smooth-threshold, smooth-imbalance"),
        (("smooth-labels", "--with", "A=b.npz"), 2, "as3l-10 does"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line(study: Study, words: tuple[str, ...], code: int, said: str) -> None:
    found, _, err = study(*words)
    assert found == code and said in err and len(err.strip().splitlines()) == 1


def test_runs_of_two_commits_are_averaged_only_where_asked(study: Study, runs: Runs) -> None:
    def outcome(run: Planned) -> Any:
        return {**runs.left(run), "commit": f"of seed {min(run.fold.seed, 1)}"}

    runs.outcome = outcome
    words = ("smooth-momentum", "--seeds", "0", "1", "2")
    assert "10 of 30 runs are in no mean" in study(*words)[1]
    assert "in no mean" not in study(*words, "--allow-mixed")[1]


def test_a_table_of_a_study_that_is_none_is_said(study: Study, tmp_path: Path) -> None:
    folder = tmp_path / "study_smooth-momentum"
    folder.mkdir()
    (folder / "smooth-momentum.csv").write_text("a,b\n1,2\n")
    code, _, err = study("smooth-aggregate")
    assert code == 3 and "is no table of a study" in err


def test_runs_that_are_lost_are_said(study: Study, runs: Runs, tmp_path: Path) -> None:
    def one_fails(run: Planned) -> Any:
        return {"status": "interrupted"} if run.settings.momentum == 0.99 else runs.left(run)

    runs.outcome = one_fails
    code, out, _ = study("smooth-momentum", "--seeds", "0")
    assert code == 0 and "2 of 10 runs are in no mean" in out
    assert (
        "recipe of FixMatch m 0.9: fixmatch in place of smoothfixmatch"
        in (tmp_path / "study_smooth-momentum" / "compare" / "compare.md").read_text()
    )
    runs.outcome = lambda run: {"status": "interrupted"}
    code, _, err = study("smooth-momentum", "--seeds", "1")
    assert code == 1 and "no fold has a run of every arm" in err


def test_one_experiment_of_two_studies_has_one_digest(study: Study, runs: Runs) -> None:
    for name in ("smooth-threshold", "smooth-momentum", "smooth-imbalance"):
        assert study(name, "--seeds", "0")[0] == 0
    usual = [
        run
        for run in resolved_plan(runs.plan)
        if (run.settings.p_cutoff, run.settings.momentum, run.settings.imbalance_class)
        == (0.95, 0.9, None)
        and run.settings.algorithm == "fixmatch"
    ]
    assert len(usual) == 3 and len({config_sha256(run.settings) for run in usual}) == 1
