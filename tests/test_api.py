"""What Python calls does what the command does: compare, predict, load_run, load_settings."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.compare import GIVEN, leave
from support.images import folder_of_images
from support.run import TINY
from support.used import photo_run

import usb_ext
from usb_ext.cli.main import main
from usb_ext.comparison.cluster import Cluster
from usb_ext.settings import load_settings
from usb_ext.training.compose import algorithm_classes, resolved

METHODS = {
    "plain": {"algorithm": "fixmatch"},
    "low": {"algorithm": "fixmatch", "p_cutoff": 0.5},
}


def left(out: Path, label: str, seed: int, accuracy: float, **own: object) -> None:
    """A run of a comparison as its process would leave it."""
    place = {"save_dir": str(out / "runs"), "save_name": f"{label}_n40_l{seed}_s{seed}"}
    given = {**GIVEN, "algorithm": "fixmatch", "seed": seed, "label_seed": seed, **own, **place}
    settings = load_settings(given).settings
    leave(resolved(settings, algorithm_classes(settings)), accuracy)


@pytest.fixture
def compared(tmp_path: Path) -> Path:
    """Two methods on two folds: 50 and 60 % right, 62 and 68 %."""
    out = tmp_path / "compared"
    for seed, (plain, low) in enumerate(((0.5, 0.62), (0.6, 0.68))):
        left(out, "plain", seed, plain)
        left(out, "low", seed, low, p_cutoff=0.5)
    return out


def test_a_comparison_from_python_is_that_of_the_command(
    compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = usb_ext.compare(GIVEN, methods=METHODS, seeds=[0, 1], out=compared)
    assert made["folder"] == compared and "| low |" in made["page"].replace("  ", " ")
    errors = {(run["method"], run["seed"]): run["error_last"] for run in made["runs"]}
    assert errors == pytest.approx(
        {("plain", 0): 50, ("plain", 1): 40, ("low", 0): 38, ("low", 1): 32}
    )
    stored = (compared / "compare.csv").read_text()
    file = tmp_path / "given.yaml"
    file.write_text("".join(f"{name}: {value}\n" for name, value in GIVEN.items()))
    words = ["--methods", "plain=fixmatch", "low=fixmatch:p_cutoff=0.5", "--seeds", "0", "1"]
    assert main(["compare", "--c", str(file), *words, "--out", str(compared)]) == 0
    assert (compared / "compare.csv").read_text() == stored
    texts = usb_ext.compare(
        file, methods=words[1:3], seeds=[0, 1], out=compared, metric="best", time_to=0.6
    )
    assert texts["runs"] == made["runs"]
    capsys.readouterr()


def test_finished_runs_are_reported_on(compared: Path, tmp_path: Path) -> None:
    made = usb_ext.compare(runs=[compared / "runs"], out=tmp_path / "page")
    assert sorted(run["error_last"] for run in made["runs"]) == pytest.approx([32, 38, 40, 50])
    assert (tmp_path / "page" / "compare.md").is_file()


def test_runs_become_jobs_from_python_as_by_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through submitit and its local executor, with a run that trains."""
    given = {name: value for name, value in TINY.items() if name not in ("algorithm", "save_name")}
    how: dict[str, Any] = {
        "methods": ["fixmatch"],
        "seeds": [0],
        "out": tmp_path,
        "cluster": "local",
    }
    made = usb_ext.compare({**given, "num_train_iter": 2, "epoch": 1}, **how, time=10)
    said = capsys.readouterr().err
    assert "submitted: job" in said and f"`usb-ext compare --status {tmp_path}`" in said
    assert [run["error_last"] is not None for run in made["runs"]] == [True]
    assert list((tmp_path / "cluster").glob("*_log.out")), "it was no job of submitit's"
    again = usb_ext.compare({**given, "num_train_iter": 2, "epoch": 1}, **how)
    assert again["runs"] == made["runs"]
    assert "finished before: 1, to do: 0" in capsys.readouterr().err


def test_what_a_cluster_is_given_from_python_is_what_the_command_gives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def asked(wish: Any, *_: Any) -> Any:
        given.append(wish.cluster)
        return {"page": "", "runs": []}, tmp_path

    monkeypatch.setattr("usb_ext.comparison.asked.compare_asked", asked)
    monkeypatch.setattr("usb_ext.cli.compare.compare_asked", asked)
    words = "--methods uda --cluster slurm --partition long --gpus 2 --time 90 --max-running 3"
    assert main(["compare", *words.split(), "--sbatch", "mem=8G", "cpus-per-task=4"]) == 0
    options = {"mem": "8G", "cpus_per_task": 4}
    usb_ext.compare(
        methods=["uda"], cluster="slurm", partition="long", gpus=2, time=90, max_running=3, sbatch=options
    )  # fmt: skip
    assert (
        given[0]
        == given[1]
        == Cluster("slurm", "long", 2, 90, 3, {"mem": "8G", "cpus-per-task": "4"})
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "compare needs methods, or paper and cell, or runs"),
        ({"methods": ["fixmatch"], "paper": "layermatch-1"}, "one of the three"),
        ({"methods": ["fixmatch"], "cell": "cifar10/10"}, "name it with paper"),
        ({"methods": ["fixmatch"], "seed": 3}, "seed: the comparison sets this itself; use methods"),
        ({"methods": {"a": {"p_cutoff": 0.5}}}, "'a' has ..p_cutoff..; give it a label and an algor"),
        ({"methods": {"a": {"algorithm": "uda", "seed": 1}}}, "sets seed, which is the same for all"),
        ({"methods": {"a b": METHODS["low"], "a/b": METHODS["low"]}}, "would share the name 'a-b'"),
        ({"methods": ["fixmatch"], "metric": "first"}, "metric= is 'first'; use last, best, median20"),
        ({"methods": ["fixmatch"], "lr": -1.0}, "method 'fixmatch': lr: got -1.0|lr: got -1.0"),
        ({"runs": ["x"], "lr": 1.0}, "no run there|leave settings="),
        ({"methods": ["uda"], "cluster": "pbs"}, "cluster= is 'pbs'; use slurm or local"),
        ({"methods": ["uda"], "gpus": 1}, "gpus= is about jobs; give cluster='slurm' or cluster='loc"),
        ({"methods": ["uda"], "cluster": "local", "partition": "a"}, "partition= is Slurm's; clust"),
        ({"methods": ["uda"], "cluster": "slurm", "time": "soon"}, "time= is 'soon'; write minutes"),
        ({"methods": ["uda"], "cluster": "slurm", "max_running": "2x"}, "max_running= is 2x; it must be"),
        ({"methods": ["uda"], "cluster": "slurm", "sbatch": {"array": 3}}, "sbatch= sets array, which"),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_what_cannot_be_compared_is_told_before_any_run(
    given: dict[str, object], said: str, tmp_path: Path
) -> None:
    with pytest.raises(usb_ext.UsbExtError, match=said) as caught:
        usb_ext.compare(GIVEN, out=tmp_path / "out", **given)  # type: ignore[arg-type]
    assert "--" not in str(caught.value) and list(tmp_path.iterdir()) == []


def test_files_are_predicted_as_by_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = photo_run(tmp_path)
    photos = folder_of_images(tmp_path / "new", classes=("x",), test=2)
    (photos / "broken.png").write_bytes(b"no image")
    out = tmp_path / "found.csv"
    found = usb_ext.predict(run, photos, out=out, device="cpu")
    assert found.probabilities.shape == (len(found.files), 2)
    assert [found.names[i] for i in found.probabilities.argmax(axis=1)] == list(found.classes)
    assert list(found.bad) == [str(photos / "broken.png")]
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == list(found.files)
    best = [float(row["probability"]) for row in rows]
    np.testing.assert_allclose(best, found.probabilities.max(axis=1), atol=1e-6)
    words = ["predict", str(run), str(photos), "--out", str(tmp_path / "other.csv")]
    assert main([*words, "--device", "cpu"]) == 0
    assert (tmp_path / "other.csv").read_text() == out.read_text()
    before = sorted(tmp_path.iterdir())
    one = usb_ext.predict(run, found.files[0], device="cpu", batch_size=1)
    np.testing.assert_allclose(one.probabilities[0], found.probabilities[0], atol=1e-6)
    assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(usb_ext.SettingsError, match="overwrite=True"):
        usb_ext.predict(run, photos, out=out, device="cpu")
    opened = usb_ext.load_run(run, device="cpu")
    alone = opened.predict(list(found.files))
    np.testing.assert_allclose(alone.probabilities, found.probabilities, atol=1e-6)
    capsys.readouterr()


def test_settings_are_those_of_the_file() -> None:
    loaded = usb_ext.load_settings("layermatch_digits_10", {"seed": 3})
    assert loaded == load_settings("layermatch_digits_10", {"seed": 3})
