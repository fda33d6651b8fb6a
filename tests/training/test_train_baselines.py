"""USB's own algorithms on our engine: each trains, leaves its record, and resumes bit by bit.

The settings make every queue, threshold, second head and generation act within the few steps. A run is
cut after step 4 of 6, in the middle of its second epoch; algorithms that act on epochs also at its
beginning. Built like this it takes a second a case.
"""

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch
from support.run import SIX, TINY, UNBALANCED, assert_same_state, checkpoint_of, metrics_of, run

from usb_ext.cli.main import main
from usb_ext.core.errors import RunFailed
from usb_ext.engine.engine import Engine
from usb_ext.settings.algorithms import BASES
from usb_ext.training import train as stage

SELECTING = {"p_cutoff": 0.12}
RAMP = {"unsup_warm_up": 0.2}
OPTIONS: dict[str, dict[str, Any]] = {
    "adamatch": {**SELECTING, "ema_p": 0.5},
    "comatch": {
        **SELECTING, "queue_batch": 1, "da_len": 3, "proj_size": 8, "smoothing_alpha": 0.5,
        "contrast_p_cutoff": 0.1,
    },
    "crmatch": {**SELECTING, "img_size": 32},
    "dash": {"num_wu_iter": 2, "rho_min": 0.5},
    "defixmatch": SELECTING,
    "fixmatch": SELECTING,
    "flexmatch": SELECTING,
    "freematch": {"ema_p": 0.5, "ent_loss_ratio": 0.1},
    "fullysupervised": {},
    "meanteacher": RAMP,
    "mixmatch": {"unsup_warm_up": 0.2},
    "pimodel": RAMP,
    "pseudolabel": {**SELECTING, **RAMP},
    "remixmatch": {"unsup_warm_up": 0.2},
    "simmatch": {**SELECTING, "da_len": 3, "proj_size": 8, "smoothing_alpha": 0.5},
    "softmatch": {"ema_p": 0.5},
    "supervised": {},
    "uda": {**SELECTING, "tsa_schedule": "linear"},
    "vat": RAMP,
}  # fmt: skip
IMBALANCED: list[tuple[str, str, int, dict[str, Any]]] = [
    ("abc", "fixmatch", 4, {"abc_p_cutoff": 0.1}),
    ("abc", "remixmatch", 4, {"abc_p_cutoff": 0.1}),
    ("adsh", "fixmatch", 3, {}),
    ("adsh", "fixmatch", 4, {}),
    ("cossl", "fixmatch", 3, {"cossl_warm_epoch": 1, "cossl_tfe_warm_bs": 8}),
    ("cossl", "fixmatch", 4, {"cossl_warm_epoch": 1, "cossl_tfe_warm_bs": 8}),
    ("cossl", "flexmatch", 1, {"cossl_tfe_warm_bs": 8, "cossl_tfe_augment": "weak"}),
    ("crest", "fixmatch", 4, {"crest_num_gens": 2, "crest_pro_dist_align": False}),
    ("crest+", "freematch", 4, {"crest_num_gens": 2}),
    ("darp", "fixmatch", 4, {"darp_warmup_epochs": 0, "darp_num_refine_iter": 3}),
    ("darp", "flexmatch", 4, {"darp_warmup_epochs": 0, "darp_num_refine_iter": 1}),
    ("daso", "fixmatch", 4, {"daso_num_pretrain_iter": 2, "daso_num_pl_dist_iter": 2}),
    ("daso", "freematch", 4, {"daso_num_pretrain_iter": 3, "daso_num_pl_dist_iter": 3}),
    ("debiaspl", "fixmatch", 4, {"debiaspl_ema_p": 0.5}),
    ("debiaspl", "uda", 4, {"debiaspl_ema_p": 0.5}),
    ("saw", "fixmatch", 3, {}),
    ("saw", "fixmatch", 4, {}),
    ("saw", "remixmatch", 4, {}),
    ("tras", "fixmatch", 3, {"tras_warmup_epochs": 1}),
    ("tras", "fixmatch", 4, {"tras_warmup_epochs": 1}),
]
WITH_EXTENSIONS = ["abc", "saw", "tras"]


@pytest.fixture(autouse=True)
def lean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures and git are tested elsewhere."""
    monkeypatch.setattr(stage, "draw_report", lambda *_: None)
    monkeypatch.setattr("usb_ext.training.report.commit", lambda: None)


def assert_resumes(tmp_path: Path, cut_after: int, **changed: Any) -> None:
    """One run whole, one cut and resumed: all state, the record and the metrics are equal."""
    settings = {**SIX, **changed}
    whole = run(tmp_path / "whole", **settings)
    assert run(tmp_path / "cut", stop_after=cut_after, **settings) is None
    assert checkpoint_of(tmp_path / "cut")["it"] == cut_after
    assert (
        json.loads((tmp_path / "cut" / "run" / "result.json").read_text())["status"]
        == "interrupted"
    )
    resumed = run(tmp_path / "cut", resume=True, **settings)
    assert whole is not None and resumed is not None
    assert (resumed.status, resumed.iterations) == ("completed", 6)
    assert_same_state(checkpoint_of(tmp_path / "whole"), checkpoint_of(tmp_path / "cut"))
    assert metrics_of(tmp_path / "whole") == metrics_of(tmp_path / "cut")
    written = json.loads((tmp_path / "cut" / "run" / "result.json").read_text())
    assert (written["top1_last"], written["top1_best"]) == (whole.top1_last, whole.top1_best)


@pytest.mark.parametrize("name", OPTIONS)
def test_each_of_usbs_algorithms_trains_and_resumes(tmp_path: Path, name: str) -> None:
    step = {"step": "usb"} if name in BASES else {}
    assert_resumes(tmp_path, 4, algorithm=name, **step, **OPTIONS[name])


@pytest.mark.parametrize(("imbalanced", "base", "cut_after", "options"), IMBALANCED, ids=str)
def test_each_imbalanced_algorithm_trains_and_resumes(
    tmp_path: Path, imbalanced: str, base: str, cut_after: int, options: dict[str, Any]
) -> None:
    assert_resumes(
        tmp_path, cut_after, algorithm=base, imb_algorithm=imbalanced,
        **UNBALANCED, **OPTIONS[base], **options,
    )  # fmt: skip


@pytest.mark.parametrize("imbalanced", WITH_EXTENSIONS)
def test_imbalanced_algorithms_carry_our_step_with_extensions(
    tmp_path: Path, imbalanced: str
) -> None:
    assert_resumes(
        tmp_path, 4, algorithm="fixmatch", imb_algorithm=imbalanced, **UNBALANCED, **SELECTING,
        extensions=["grad_relu", "avg_clustering"], ac_reset_iter=3, ac_momentum=0.5, ac_lr=0.1,
    )  # fmt: skip


def test_the_seed_decides_what_usbs_algorithms_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """USB seeds its batches with the number of the epoch alone."""
    seen: list[dict[str, Any]] = []
    original = Engine.process_batch

    def process_batch(self: Any, input_args: Any = None, **batch: Any) -> dict[str, Any]:
        seen.append(batch)
        return original(self, input_args, **batch)

    monkeypatch.setattr(Engine, "process_batch", process_batch)
    runs = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        seen.clear()
        run(
            tmp_path / name,
            algorithm="comatch",
            seed=seed,
            label_seed=0,
            **SIX,
            **OPTIONS["comatch"],
        )
        runs.append({k: torch.stack([b[k] for b in seen]) for k in seen[0]})
    for key in ("idx_lb", "idx_ulb", "x_lb", "x_ulb_w", "x_ulb_s_0", "x_ulb_s_1"):
        assert torch.equal(runs[0][key], runs[1][key]), key
        assert not torch.equal(runs[0][key], runs[2][key]), key


@pytest.mark.parametrize("imbalanced", ["cossl", "saw"])
def test_worker_processes_do_not_change_the_run(tmp_path: Path, imbalanced: str) -> None:
    """Their further loaders and evaluations draw from the global generators in USB; none is left behind."""
    before = set(multiprocessing.active_children())
    given = {**SIX, **UNBALANCED, "algorithm": "fixmatch", "imb_algorithm": imbalanced}
    for workers in (0, 1):
        run(tmp_path / str(workers), num_workers=workers, cossl_tfe_warm_bs=8, **given)
    assert not set(multiprocessing.active_children()) - before
    states = [checkpoint_of(tmp_path / name) for name in "01"]
    assert_same_state(states[0], states[1])


def test_loss_that_is_not_finite_ends_the_run_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """USB ends such a run as a success, with its earlier best accuracy."""
    diverging = {"algorithm": "mixmatch", "num_save_iter": 1, **SIX, "lr": 1e20}
    with pytest.raises(RunFailed, match=r"loss is not finite at step [2-6]") as caught:
        run(tmp_path, **diverging)
    given = {**TINY, **diverging, "save_dir": tmp_path / "command"}
    assert main(["train", *(f"--{name}={value}" for name, value in given.items())]) == 1
    assert str(caught.value).split(";")[0] in capsys.readouterr().err
    state = checkpoint_of(tmp_path)
    failed_at = int(str(caught.value).split("at step ")[1].split(";")[0])
    assert 1 <= state["it"] == failed_at - 1
    assert all(torch.isfinite(v).all() for v in state["model"].values())
    assert not (tmp_path / "run" / "result.json").exists()
