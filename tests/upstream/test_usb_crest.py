"""CReST: generations around the common loop, each with more labelled images."""

import io
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.built import UNBALANCED, built
from support.run import assert_same_state, checkpoint_of, metrics_of, run

from usb_ext.core.errors import SettingsError
from usb_ext.engine.hooks.record import Progress
from usb_ext.engine.loop import Loop
from usb_ext.upstream.usb_crest import CReSTOnEngine, numpy_with_math

OPTIONS: dict[str, Any] = {
    **UNBALANCED, "imb_algorithm": "crest+", "crest_num_gens": 3, "num_train_iter": 4,
    "num_eval_iter": 2, "p_cutoff": 0.12,
}  # fmt: skip


class Killed(BaseException):
    """What a power cut would be."""


def kill_at(patch: pytest.MonkeyPatch, generation: int, step: int) -> None:
    original = Loop._begin_epoch

    def begin_epoch(self: Any) -> None:
        if (self.gen, self.it) == (generation, step):
            raise Killed
        original(self)

    patch.setattr(Loop, "_begin_epoch", begin_epoch)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(folder, **OPTIONS)
    return folder


def test_record_is_that_of_the_last_generation(whole: Path) -> None:
    assert [row["it"] for row in metrics_of(whole)] == [1, 2, 3, 4]
    earlier = sorted(path.name for path in (whole / "run").glob("metrics_*"))
    assert earlier == ["metrics_gen_0.jsonl", "metrics_gen_1.jsonl"]
    state = checkpoint_of(whole)
    assert state["usb_ext"]["algorithm"]["gen"] == 2
    history = state["usb_ext"]["hooks"]["EvaluationHook"]["history"]
    assert [row["it"] for row in history] == [2, 4]
    assert state["best_eval_acc"] == max(row["eval/top-1-acc"] for row in history)


@pytest.mark.parametrize(("generation", "step"), [(0, 3), (1, 0), (1, 3), (2, 2)])
def test_killed_in_any_generation_it_resumes_bit_by_bit(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, generation: int, step: int
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, generation, step)
        with pytest.raises(Killed):
            run(tmp_path, **OPTIONS)
    result = run(tmp_path, resume=True, **OPTIONS)
    assert result is not None and result.iterations == 4
    assert_same_state(checkpoint_of(whole), checkpoint_of(tmp_path))
    assert metrics_of(whole) == metrics_of(tmp_path)


def test_killed_between_two_generations_it_resumes_bit_by_bit(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(CReSTOnEngine, "_set_data", killed)
        with pytest.raises(Killed):
            run(tmp_path, **OPTIONS)
    run(tmp_path, resume=True, **OPTIONS)
    assert_same_state(checkpoint_of(whole), checkpoint_of(tmp_path))
    assert metrics_of(whole) == metrics_of(tmp_path)


def test_pseudo_labelled_images_are_added_by_the_papers_rate(tmp_path: Path) -> None:
    """CReST, Eq. 2: of 16 candidates each (mu^(9 - c))^(1/3) are taken, mu = (1/6)^(1/9).

    USB counts c from the largest class; 16 (1/6)^((9 - c)/27) is 8.8 for c = 0 and 16 for c = 9.
    """
    algorithm = built(tmp_path, **{**OPTIONS, "crest_alpha": 3.0})
    before = np.bincount(algorithm.dataset_dict["train_lb"].targets)
    assert before.tolist() == [6, 5, 4, 3, 2, 2, 2, 1, 1, 1]
    candidates = [np.arange(c, c + 16) for c in range(10)]
    grown = algorithm.set_dataset(candidates)["train_lb"]
    added = np.bincount(grown.targets) - before
    assert added.tolist() == [int(16 * (1 / 6) ** ((9 - c) / 27)) for c in range(10)]
    assert added[0] == 8 and added[9] == 16
    unlabelled = algorithm.dataset_dict["train_ulb"].data
    ones = grown.data[grown.targets == 1]
    assert any((image == unlabelled[1]).all() for image in ones)
    assert len(algorithm.args.parts.datasets["train_lb"].targets) == before.sum()


def test_surest_images_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = built(tmp_path, **OPTIONS)
    logits = np.zeros((4, 10), dtype=np.float32)
    logits[0, 3], logits[1, 3], logits[2, 0], logits[3, 3] = 1, 5, 2, 3
    monkeypatch.setattr(algorithm, "evaluate", lambda *_, **__: {"eval_ulb/logits": logits})
    found = [positions.tolist() for positions in algorithm._surest_by_class()]
    assert found == [[2], [], [], [1, 3, 0], [], [], [], [], [], []]


@pytest.mark.parametrize(
    ("gens", "gen", "temperature"), [(3, 0, 1.0), (3, 1, 0.75), (3, 2, 0.5), (1, 0, 1.0)]
)
def test_alignment_goes_to_its_temperature(
    tmp_path: Path, gens: int, gen: int, temperature: float
) -> None:
    algorithm = built(tmp_path, **{**OPTIONS, "crest_num_gens": gens, "crest_dist_align_t": 0.5})
    algorithm.gen = gen
    algorithm._set_alignment()
    assert algorithm.cur_dist_align_t == temperature


def test_labelled_images_are_not_served_as_unlabelled(tmp_path: Path) -> None:
    """As in USB, where CReST overrules the setting; the resolved settings say so."""
    algorithm = built(tmp_path, **OPTIONS)
    assert algorithm.args.include_lb_to_ulb is False
    assert "include_lb_to_ulb: false" in (tmp_path / "run" / "config.yaml").read_text()
    labelled = algorithm.dataset_dict["train_lb"].data
    for image in algorithm.dataset_dict["train_ulb"].data:
        assert not any((image == other).all() for other in labelled)


def test_extensions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"crest\+ builds a new network.*grad_relu"):
        run(tmp_path, **OPTIONS, extensions=["grad_relu"])
    assert not (tmp_path / "run").exists()


def test_numpy_has_math_for_as_long_as_it_is_needed() -> None:
    had = hasattr(np, "math")
    with numpy_with_math():
        assert np.math.pow(2, 3) == 8  # type: ignore[attr-defined]
    assert hasattr(np, "math") is had


def test_the_display_begins_again_for_a_new_generation() -> None:
    stream = io.StringIO()
    progress = Progress("bar", logging.getLogger("x"), stream)
    algorithm = SimpleNamespace(it=3, num_train_iter=4, log_dict={}, best_eval_acc=0.0)
    progress.step(algorithm, due=False)
    progress.stop()
    algorithm.it = 0
    progress.step(algorithm, due=False)
    assert progress.bar is not None and progress.bar.n == 1
    progress.stop()


def test_a_new_generation_has_a_new_network_and_more_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[dict[str, Any]] = []
    original = Loop._begin_epoch

    def begin_epoch(self: Any) -> None:
        if self.it == 0:
            weight = self.model.state_dict()["conv1.weight"].clone()
            assert torch.equal(weight, self.ema_model.state_dict()["conv1.weight"])
            begun.append(
                {"weight": weight, "optimizer": self.optimizer, "n": self.args.lb_dest_len}
            )
            assert len(self.loader_dict["train_lb"].dataset) == self.args.lb_dest_len
        original(self)

    monkeypatch.setattr(Loop, "_begin_epoch", begin_epoch)
    run(tmp_path, **OPTIONS)
    first, second, third = begun
    assert first["n"] == 27 and second["n"] > 27 and third["n"] > 27
    assert not torch.equal(first["weight"], second["weight"])
    assert not torch.equal(second["weight"], third["weight"])
    assert len({id(each["optimizer"]) for each in begun}) == 3
