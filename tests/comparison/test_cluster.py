"""What is asked of a cluster: how a time is written, which flags go together, what is refused at once."""

import argparse
from pathlib import Path

import pytest

from usb_ext.comparison import cluster
from usb_ext.comparison.cluster import Cluster, add_cluster, check_cluster, cluster_of, minutes_of
from usb_ext.core.errors import RunFailed, SettingsError


def asked(*words: str) -> Cluster | None:
    parser = argparse.ArgumentParser()
    add_cluster(parser)
    parser.add_argument("--jobs", type=int, default=1)
    return cluster_of(parser.parse_args(words))


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("30", 30),
        ("4:00:00", 240),
        ("1:30", 2),
        ("90:00", 90),
        ("0:00:01", 1),
        ("2-0", 2 * 24 * 60),
        ("1-2:30", 26 * 60 + 30),
        ("1-02:03:04", 26 * 60 + 3 + 1),
    ],
)
def test_a_time_is_read_as_sbatch_reads_it_and_rounded_up(text: str, minutes: int) -> None:
    assert minutes_of(text) == minutes


@pytest.mark.parametrize("text", ["", "0", "0:00:00", "4h", "-5", "1:2:3:4", "1-1:1:1:1", "x"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=f"--time is {text!r}"):
        minutes_of(text)


def test_what_is_not_given_is_the_clusters_own() -> None:
    assert asked() is None
    assert asked("--cluster", "slurm") == Cluster("slurm", minutes=240)
    assert asked("--cluster", "local", "--jobs", "3") == Cluster("local", running=3)
    words = ["--partition", "a", "--gpus", "1", "--time", "10", "--max-running", "20"]
    made = asked("--cluster", "slurm", *words, "--sbatch", "mem=8G", "cpus_per-task=4")
    options = {"mem": "8G", "cpus-per-task": "4"}
    assert made == Cluster("slurm", "a", 1, 10, 20, options)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--partition", "a"], "--partition is about jobs"),
        (["--max-running", "3"], "--max-running is about jobs"),
        (["--cluster", "local", "--partition", "a"], "--partition is Slurm's"),
        (["--cluster", "local", "--sbatch", "mem=1"], "--sbatch is Slurm's"),
        (["--cluster", "slurm", "--gpus", "0"], "--gpus is 0"),
        (["--cluster", "slurm", "--max-running", "-1"], "--max-running is -1"),
        (["--cluster", "slurm", "--sbatch", "mem"], "--sbatch holds 'mem'"),
        (["--cluster", "slurm", "--sbatch", "array=3"], "--sbatch sets array"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(words: list[str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        asked(*words)


def program(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs that answer as Slurm's do; the only ones on the path."""
    for name in ("sbatch", "srun", "squeue"):
        program(tmp_path, name, "exit 0")
    program(tmp_path, "sinfo", "echo short; echo long")
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_a_partition_has_to_be_one_of_slurms(slurm: Path) -> None:
    check_cluster(Cluster("slurm", partition="long"))
    check_cluster(Cluster("slurm", partition="long,short"))
    with pytest.raises(SettingsError, match="--partition is 'gpu'; Slurm has long, short"):
        check_cluster(Cluster("slurm", partition="gpu"))


def test_slurm_has_to_be_on_the_path_and_to_answer(slurm: Path) -> None:
    program(slurm, "sinfo", "echo slurm_load_partitions: Unable to contact >&2; exit 1")
    with pytest.raises(RunFailed, match="Slurm does not answer: slurm_load_partitions: Unable"):
        check_cluster(Cluster("slurm"))
    (slurm / "sbatch").unlink()
    with pytest.raises(SettingsError, match="needs Slurm, and sbatch is not on the path"):
        check_cluster(Cluster("slurm"))


def test_submitit_has_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r'pip install "usb_ext\[cluster\]"'):
        check_cluster(Cluster("local"))


def test_local_jobs_have_gpus_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert cluster.gpus_of_slots(Cluster("local", gpus=2, running=2)) == ["0,1", "2,3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,6,7")
    assert cluster.gpus_of_slots(Cluster("local", gpus=1, running=3)) == ["3", "5", "6"]
    assert cluster.gpus_of_slots(Cluster("local", running=3)) == []
    with pytest.raises(SettingsError, match="--gpus 2 for 3 jobs at a time are more than the 4"):
        check_cluster(Cluster("local", gpus=2, running=3))
