"""`usb-ext as3l`: four stages in a row, each skipped when done, each going on where it was stopped."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.run import ROOT
from support.run import TINY as TINY_RUN
from support.ssl import TINY as TINY_SSL

from usb_ext.as3l.frozen.made import FeaturesOrder
from usb_ext.as3l.frozen.stage import make_features
from usb_ext.as3l.workflow import made_files, ready, wants_stages
from usb_ext.cli.main import main
from usb_ext.data.features import read_features
from usb_ext.settings import Settings, load_settings

LABELS = "labels_digits_as3l_10_s0"
WHOLE: dict[str, Any] = {
    **TINY_RUN, **TINY_SSL, "algorithm": "as3l", "label_split": "file", "label_file": "auto",
    "prior_file": "auto", "prior_until": 2, "use_pretrain": True, "pretrain_path": "auto",
    "consistency_features": "auto", "consistency_k": 5, "num_train_iter": 4, "num_eval_iter": 2,
    "ssl_epochs": 1, "as3l_tune_epochs": 1, "as3l_runs": 2, "augment": "batched",
}  # fmt: skip


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """The command on `WHOLE` with changes, in the test's folder: exit code, standard output, errors."""

    def run(**changed: Any) -> tuple[int, str, str]:
        given = {**WHOLE, "save_dir": str(tmp_path), **changed}
        words = [w for k, v in given.items() for w in (f"--{k}", str(v))]
        code = main(["as3l", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def times(folder: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_all_stages_in_a_row_then_each_is_skipped(call: Any, tmp_path: Path) -> None:
    code, out, err = call()
    assert code == 0, err
    assert len(out.splitlines()) >= 4
    folder = tmp_path / LABELS
    chosen = json.loads((folder / "selected.json").read_text())["ids"]
    labelled = json.loads((tmp_path / "run" / "labelled.json").read_text())
    assert sorted(labelled) == sorted(chosen) and len(set(chosen)) == 10
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (result["algorithm"], result["base"]) == ("as3l", "flexmatch")
    assert result["extensions"] == ["prior_label"] and result["iterations"] == 4
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    assert "train/label_consistency" in rows[-1]
    before = times(tmp_path)
    code, again, _ = call()
    assert code == 0 and again.count("before") == 4
    assert times(tmp_path) == before


def test_training_starts_from_the_backbone_on_the_files_of_the_stages(
    call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from usb_ext.training import train as stage

    first: dict[str, torch.Tensor] = {}

    def watched(algorithm: Any, *_: Any) -> Any:
        first.update({k: v.clone() for k, v in algorithm.model.state_dict().items()})
        first["prior"] = algorithm.hooks_dict["PriorLabelHook"].prior.clone()
        raise KeyboardInterrupt

    monkeypatch.setattr(stage, "_run", watched)
    assert call()[0] == 130
    prior = np.load(tmp_path / LABELS / "prior.npz")["prior"]
    labelled = json.loads((tmp_path / LABELS / "selected.json").read_text())["ids"]
    order = [*labelled, *(i for i in range(1297) if i not in set(labelled))]
    np.testing.assert_array_equal(first.pop("prior").numpy(), prior[order])
    backbone = torch.load(tmp_path / "ssl" / "backbone.pth", weights_only=True)["model"]
    for name, value in first.items():
        if not name.startswith("classifier"):
            assert torch.equal(value, backbone[name]), name


def test_a_run_without_prior_shares_the_stages_before(call: Any, tmp_path: Path) -> None:
    """Table 5: chosen, but without prior pseudo-labels; then a change of the choice is refused."""
    assert call()[0] == 0
    kept = times(tmp_path / "ssl") | times(tmp_path / LABELS)
    code, out, err = call(prior_label=False, save_name="active")
    assert code == 0, err
    assert json.loads((tmp_path / "active" / "result.json").read_text())["extensions"] == []
    assert times(tmp_path / "ssl") | times(tmp_path / LABELS) == kept
    code, _, err = call(as3l_runs=3)
    assert code == 2 and "as3l_runs (2 then, 3 now)" in err and err.count("\n") == 1
    code, _, err = call(lr=0.5)
    assert code == 2 and "lr" in err
    assert times(tmp_path / "ssl") | times(tmp_path / LABELS) == kept


def test_features_and_labels_of_ones_own(call: Any, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(1297, 6)).astype(np.float32)
    own = tmp_path / "clip.npz"
    np.savez(own, features=values)
    code, _, err = call(features=str(own))
    assert code == 2 and "use_pretrain: False" in err
    code, out, err = call(features=str(own), use_pretrain=False, pretrain_path="None")
    assert code == 0, err
    assert "1297 features are given" in out and not (tmp_path / "ssl").exists()
    assert read_features(tmp_path / LABELS / "tuned.npz").values.shape == (1297, 6)


def test_a_run_on_kept_features_is_chosen_spread_and_trained_on_them(
    call: Any, tmp_path: Path
) -> None:
    small = {n: TINY_RUN[n] for n in ("num_classes", "img_size") if n in TINY_RUN}
    made = Settings(dataset="digits", net="wrn_10_1", device="cpu", progress="off", **small)
    make_features(made, FeaturesOrder(weak=1, strong=1, out=tmp_path / "kept"))
    changed = {"dataset": "features", "feature_file": str(tmp_path / "kept"), "net": "mlp_8"}
    changed |= {"use_pretrain": False, "pretrain_path": "None", "consistency_features": "None"}
    code, out, err = call(**changed)
    assert code == 0, err
    assert "1297 features are given" in out and not (tmp_path / "ssl").exists()
    folder = tmp_path / "labels_features_as3l_10_s0"
    chosen = json.loads((folder / "selected.json").read_text())["ids"]
    labelled = json.loads((tmp_path / "run" / "labelled.json").read_text())
    assert sorted(labelled) == sorted(chosen) and len(set(chosen)) == 10
    prior = np.load(folder / "prior.npz")["prior"]
    assert prior.shape == (1297, 10) and (prior.sum(axis=1) > 0).any()
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["extensions"] == ["prior_label"] and result["iterations"] == 4


@pytest.mark.parametrize(
    ("changed", "code", "told"),
    [
        ({"label_split": "random", "label_file": "None"}, 2, "as3l_strategy: random"),
        ({"as3l_labels": "mine.csv"}, 3, "as3l_labels is 'mine.csv', and there is no such file"),
        (
            {"features": "clip.npz", "use_pretrain": False, "pretrain_path": "None"},
            3,
            "no such file",
        ),
        ({"num_labels": 1298}, 2, "num_labels is 1298"),
        ({"as3l_clusters": "[5, 20]"}, 2, "clusters holds 5"),
    ],
)
def test_what_cannot_lead_to_the_end_is_refused_before_pre_training(
    call: Any, tmp_path: Path, changed: dict[str, Any], code: int, told: str
) -> None:
    got, _, err = call(**changed)
    assert got == code and told in err and err.count("\n") == 1
    assert not (tmp_path / "ssl").exists()


def test_files_are_named_by_the_settings(tmp_path: Path) -> None:
    s = load_settings({**WHOLE, "save_dir": str(tmp_path), "seed": 3}).settings
    made = made_files(s)
    assert made.features.parent.parent == tmp_path and made.features.name == "features.npz"
    assert made.selected == tmp_path / "labels_digits_as3l_10_s3" / "selected.json"
    assert made.prior == made.selected.with_name("prior.npz") and made.labels is None
    trained = ready(s).settings
    assert trained.label_file == str(made.selected) and trained.prior_file == str(made.prior)
    assert trained.pretrain_path == str(made.features.with_name("backbone.pth"))
    assert wants_stages(s) and not wants_stages(trained)


@pytest.mark.parametrize("changed", [{}, {"as3l_strategy": "random", "prior_until": 5}], ids=str)
def test_the_made_files_do_not_change_the_runs_folder(changed: dict[str, Any]) -> None:
    """Also where no `save_name` is given, so that a second call finds the run of the first."""
    for path in sorted((ROOT / "config").glob("as3l_*.yaml")):
        asked = load_settings(path, changed).settings
        assert asked.save_name is None
        assert ready(asked).settings.run_dir == asked.run_dir, path


def test_files_of_the_user_stand_in_place_of_made_ones(tmp_path: Path) -> None:
    own = {
        "features": "clip.npz",
        "label_file": "mine.csv",
        "prior_label": False,
        "use_pretrain": False,
    }
    made = made_files(load_settings({**WHOLE, "save_dir": str(tmp_path), **own}).settings)
    assert made == (Path("clip.npz"), Path("mine.csv"), Path("mine.csv"), None)
