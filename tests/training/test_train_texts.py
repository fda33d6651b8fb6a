"""Training on texts through the common command: every step of it, resumed, and with learned weights."""

from pathlib import Path

import numpy as np
import pytest
from support.run import assert_same_state, checkpoint_of
from support.text import run_texts, write_bert, write_texts


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    write_texts(folder)
    write_bert(folder / "bert")
    return folder


@pytest.mark.parametrize("algorithm", ["uda", "fixmatch", "layermatch", "pseudolabel", "comatch"])
def test_algorithms_train(tmp_path: Path, source: Path, algorithm: str) -> None:
    result = run_texts(tmp_path, source, algorithm=algorithm, num_train_iter=2, epoch=1)
    assert result.iterations == 2
    assert result.test_top1_last is not None and "validation" in result.best_chosen_on


def test_usbs_own_step_and_workers_give_the_same_run(tmp_path: Path, source: Path) -> None:
    """The base equals USB's algorithm, on dictionaries of two lengths too; batches know no worker."""
    for name, changed in {"a": {}, "b": {"step": "usb"}, "c": {"num_workers": 1}}.items():
        run_texts(tmp_path / name, source, num_train_iter=3, epoch=1, ema_m=0.0, **changed)
    first = checkpoint_of(tmp_path / "a")["model"]
    for name in "bc":
        assert_same_state(first, checkpoint_of(tmp_path / name)["model"])


def test_it_learns_which_words_are_good(tmp_path: Path, source: Path) -> None:
    changed = {"num_labels": 20, "batch_size": 10, "uratio": 1, "lr": 0.02, "layer_decay": 1.0}
    result = run_texts(tmp_path, source, num_train_iter=40, num_eval_iter=40, epoch=1, **changed)
    assert result.test_top1_last >= 0.8


def test_influence_on_texts_resumes_bit_by_bit_and_leaves_its_weights(
    tmp_path: Path, source: Path
) -> None:
    settings = {
        "algorithm": "influence_uda", "num_val": 6, "influence_every": 2, "influence_lr": 0.1,
        "num_labels": 4,
    }  # fmt: skip
    run_texts(tmp_path / "whole", source, **settings)
    run_texts(tmp_path / "cut", source, stop_after=5, **settings)
    run_texts(tmp_path / "cut", source, resume=True, pictures=True, **settings)
    whole, cut = checkpoint_of(tmp_path / "whole"), checkpoint_of(tmp_path / "cut")
    assert_same_state(whole, cut)
    table = whole["usb_ext"]["hooks"]["InfluenceWeightingHook"]["table"].numpy()
    with np.load(tmp_path / "cut" / "run" / "weights.npz", allow_pickle=False) as file:
        assert file["weight"].tolist() == table.tolist() and (table != 1).any()
        assert len(file["pseudo_label"]) == int(file["n"]) == len(table) == 24
        assert set(file["true_label"].tolist()) == {0, 1}
    names = {path.name for path in (tmp_path / "cut" / "run").glob("*.png")}
    assert names == {"curves.png", "confusion.png", "weights.png"}  # texts have no contact sheet
