"""Runs are compared by what their files were made from, wherever those lie."""

import json
from pathlib import Path
from typing import Any

from support.digit_features import features_of_digits
from support.evidence import fake_run
from support.run import TINY, undrawn

from usb_ext.as3l.workflow import make, train_on_made
from usb_ext.comparison.found import found_entries
from usb_ext.papers.curves import group_runs
from usb_ext.papers.found_runs import FoundRun
from usb_ext.papers.placing import one_setting
from usb_ext.settings import load_settings

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


def test_seeds_that_the_workflow_has_made_are_one_method(tmp_path: Path) -> None:
    """Two seeds and a random choice, chosen, spread and trained for two steps on features that are given."""
    features = features_of_digits(tmp_path)
    for name, seed, strategy in (("a", 0, "as3l"), ("b", 1, "as3l"), ("c", 0, "random")):
        given = {
            **TINY, "algorithm": "as3l", "label_split": "file", "label_file": "auto", "epoch": 1,
            "prior_file": "auto", "prior_until": 1, "num_train_iter": 2, "num_eval_iter": 2,
            "features": str(features), "as3l_runs": 2, "as3l_tune_epochs": 1, "as3l_strategy": strategy,
            "seed": seed, "save_dir": str(tmp_path), "save_name": name, "prior_label": strategy == "as3l",
        }  # fmt: skip
        settings = load_settings(given).settings
        make(settings, lambda _: None)
        with undrawn():
            train_on_made(settings)
    first, second, random = (FoundRun(tmp_path / name) for name in "abc")
    assert (first.selection, second.selection, random.selection) == ("as3l", "as3l", "random")
    assert first.settings["label_file"].startswith(
        "made with as3l_runs 2, as3l_tune_epochs 1, feat"
    )
    assert first.record["prior_until"] == 1 and random.record["prior_until"] is None
    assert group_runs([first, second, random]) == [[first, second], [random]]
    assert one_setting([first, second]) == ([first, second], {})
