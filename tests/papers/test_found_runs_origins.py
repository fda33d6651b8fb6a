"""Runs are compared by what their files were made from, wherever those lie."""

import json
from pathlib import Path
from typing import Any

from support.evidence import fake_run

from usb_ext.comparison.found import found_entries
from usb_ext.papers.curves import group_runs
from usb_ext.papers.found_runs import FoundRun
from usb_ext.papers.placing import one_setting

AS3L = {
    "algorithm": "as3l", "net": "wrn_28_2", "num_labels": 10, "label_split": "file",
    "use_pretrain": False, "num_train_iter": 1000,
}  # fmt: skip


def made(root: Path, seed: int, strategy: str = "as3l", **changed: Any) -> Path:
    """A run of AS3L whose choice and priors lie where `usb-ext as3l` puts them."""
    labels = root / f"labels_cifar10_{strategy}_10_s{seed}"
    stage = {"as3l_strategy": strategy, "seed": seed, "features": "f" * 64}
    made_from = {
        "label_file": {"sha256": f"{seed}a" * 32, "made_with": stage},
        "prior_file": {"sha256": f"{seed}b" * 32, "made_with": {**stage, "as3l_method": "llgc"}},
    }
    files = {"label_file": labels / "selected.json", "prior_file": labels / "prior.npz"}
    return fake_run(
        root / f"{strategy}_s{seed}{changed.get('lr', '')}",
        (seed + 7) / 10,
        {"made_from": made_from, "commit": None, "versions": {}},
        seed=seed,
        **{**AS3L, **{name: str(path) for name, path in files.items()}, **changed},
    )


def test_seeds_of_as3l_average_and_another_choice_stays_apart(tmp_path: Path) -> None:
    seeds = [FoundRun(made(tmp_path, seed)) for seed in (0, 1, 2)]
    other = FoundRun(made(tmp_path, 0, "random"))
    kept, left = one_setting([*seeds, other])
    assert kept == seeds
    assert "label_file made with as3l_strategy random" in left[other.path]
    assert group_runs([*seeds, other]) == [seeds, [other]]


def test_one_seed_with_two_choices_is_no_repetition(tmp_path: Path) -> None:
    first, second = made(tmp_path, 0), made(tmp_path, 1, lr=0.25)
    for path in (first, second):
        config = path / "config.yaml"
        text = config.read_text().replace("seed: 1\n", "seed: 0\n")
        config.write_text(text.replace("lr: 0.25\n", "lr: 0.0005\n"))
    runs = [FoundRun(first), FoundRun(second)]
    assert [run.settings["seed"] for run in runs] == [0, 0]
    assert one_setting(runs) == (runs, {}) and group_runs(runs) == [runs]


def test_a_comparison_of_runs_that_are_there(tmp_path: Path) -> None:
    entries, methods, _ = found_entries([made(tmp_path, seed) for seed in (0, 1)])
    assert list(methods) == ["as3l"] and [str(e.fold) for e in entries] == ["0", "1"]


def test_a_run_of_an_older_version_keeps_its_paths(tmp_path: Path) -> None:
    path = made(tmp_path, 0)
    record = json.loads((path / "result.json").read_text())
    del record["made_from"]
    (path / "result.json").write_text(json.dumps(record))
    assert FoundRun(path).settings["label_file"].endswith("labels_cifar10_as3l_10_s0/selected.json")
