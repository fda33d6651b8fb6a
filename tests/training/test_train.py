"""The train stage as its users meet it: the run folder, its record, seeds, and mistakes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.run import TINY, assert_same_state, checkpoint_of, metrics_of, run

import usb_ext
from usb_ext.core.errors import DataMissing, RunFailed, SettingsError
from usb_ext.core.files import sealed
from usb_ext.settings import load_settings
from usb_ext.training.train import train

RESULT_KEYS = (
    "algorithm base extensions dataset num_labels seed label_seed iterations seconds it_per_s device "
    "top1_last top1_best top1_median20 f1_last precision_last recall_last collapsed_classes params "
    "versions commit config_sha256 status"
).split()


def test_run_folder_holds_what_the_design_says(tmp_path: Path) -> None:
    result = run(tmp_path, pictures=True, use_tensorboard=True)
    assert result is not None
    folder = tmp_path / "run"
    for name in ("config.yaml", "log.txt", "metrics.jsonl", "result.json", "curves.png"):
        assert (folder / name).stat().st_size > 0, name
    for name in ("confusion.png", "latest_model.pth", "model_best.pth", "labelled.json"):
        assert (folder / name).stat().st_size > 0, name
    assert list((folder / "tensorboard").glob("events*"))
    written = json.loads((folder / "result.json").read_text())
    assert set(RESULT_KEYS) <= written.keys()
    assert written == json.loads(json.dumps(sealed(result.to_json())))
    assert (written["base"], written["extensions"]) == (
        "freematch",
        ["grad_relu", "avg_clustering"],
    )
    assert written["status"] == "completed" and written["iterations"] == 8


def test_result_agrees_with_the_metrics(tmp_path: Path) -> None:
    result = run(tmp_path, num_eval_iter=2)
    rows = metrics_of(tmp_path)
    accuracies = [row["eval/top-1-acc"] for row in rows if "eval/top-1-acc" in row]
    assert [row["it"] for row in rows] == list(range(1, 9)) and len(accuracies) == 4
    assert result is not None
    assert result.top1_last == accuracies[-1] and result.top1_best == max(accuracies)
    assert result.top1_median20 == pytest.approx(np.median(accuracies))
    needed = ("train/sup_loss", "train/unsup_loss", "train/total_loss", "train/util_ratio", "lr")
    assert all(key in rows[0] for key in (*needed, "train/ac_loss"))


def test_last_accuracy_is_that_of_the_saved_averages(tmp_path: Path) -> None:
    """Recomputed from the checkpoint alone, with the network and images built here."""
    from usb_ext.data.arrays import load_digits_arrays
    from usb_ext.upstream.nets import wrn_10_1

    result = run(tmp_path)
    arrays = load_digits_arrays(16)
    images = torch.from_numpy(np.asarray(arrays.test_images)).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (arrays.mean, arrays.std))
    net = wrn_10_1(num_classes=10)
    net.load_state_dict(checkpoint_of(tmp_path)["ema_model"])
    with torch.no_grad():
        predicted = net.eval()((images - mean) / std)["logits"].argmax(dim=1).numpy()
    assert result is not None
    assert result.top1_last == pytest.approx(float((predicted == arrays.test_targets).mean()))


def test_resolved_config_reloads_to_the_same_run(tmp_path: Path) -> None:
    first = run(tmp_path / "a")
    again = train(
        load_settings(tmp_path / "a" / "run" / "config.yaml", {"save_dir": str(tmp_path / "b")})
    )
    assert first is not None and first.config_sha256 == again.config_sha256
    assert_same_state(
        checkpoint_of(tmp_path / "a")["model"], checkpoint_of(tmp_path / "b")["model"]
    )


def test_seed_decides_order_and_weights_and_label_seed_the_labels(tmp_path: Path) -> None:
    def labelled(name: str) -> Any:
        return json.loads((tmp_path / name / "run" / "labelled.json").read_text())

    for name, seeds in {
        "a": {"seed": 1, "label_seed": 5},
        "b": {"seed": 2, "label_seed": 5},
        "c": {"seed": 1, "label_seed": 6},
        "d": {"seed": 5},
    }.items():
        run(tmp_path / name, num_train_iter=2, epoch=1, **seeds)
    assert labelled("a") == labelled("b") == labelled("d") != labelled("c")
    models = [checkpoint_of(tmp_path / name)["model"]["conv1.weight"] for name in "ab"]
    assert not torch.equal(*models)


def test_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=r"loss is not finite at step \d"):
        run(tmp_path, lr=1e30, num_save_iter=1)
    state = checkpoint_of(tmp_path)
    assert all(torch.isfinite(v).all() for v in state["model"].values())
    assert RunFailed.exit_code == 1


def test_python_call_takes_a_mapping_and_overrides(tmp_path: Path) -> None:
    result = usb_ext.train(TINY, save_dir=str(tmp_path), num_train_iter=2, epoch=1, seed=3)
    assert (result.seed, result.iterations) == (3, 2)


def test_algorithm_is_registered_in_usb() -> None:
    usb_ext.register()
    from usb_ext.upstream.usb import ALGORITHMS

    declared = ALGORITHMS["layermatch"].declared
    assert (declared.base, declared.extensions) == ("freematch", ("grad_relu", "avg_clustering"))


def test_weights_that_are_missing_leave_no_folder_behind(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="no such file") as caught:
        run(tmp_path, use_pretrain=True, pretrain_path=str(tmp_path / "w.pth"))
    assert caught.value.exit_code == 3 and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"algorithm": "fixmach"}, "fixmach.*known: .*fixmatch"),
        ({"net": "wrn_10_2"}, "wrn_10_2.*wrn_10_1"),
        ({"dataset": "digit"}, "digit.*digits"),
        ({"num_classes": 5, "num_labels": 10}, "num_classes is 5.*--num_classes 10"),
        ({"num_labels": 2000}, "num_labels"),
        ({"device": "cuda:7"}, "CUDA"),
        ({"amp": "fp16"}, "fp16.*bf16"),
        ({"imb_algorithm": "abx"}, "abx.*abc"),
    ],
    ids=lambda v: str(v)[:40],
)
def test_mistakes_are_named_before_any_work(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        run(tmp_path, **changed)
    assert caught.value.exit_code == 2 and not (tmp_path / "run").exists()


def test_bf16_trains_on_the_cpu(tmp_path: Path) -> None:
    result = run(tmp_path, amp="bf16")
    assert result is not None and result.iterations == 8


def test_users_own_network_and_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "my_nets.py"
    module.write_text(
        "from usb_ext.upstream.nets import wrn_10_1\n"
        "def small(num_classes):\n    return wrn_10_1(num_classes=num_classes)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    first = run(tmp_path / "a", net="my_nets:small")
    weights = tmp_path / "a" / "run" / "model_best.pth"
    second = run(tmp_path / "b", net="my_nets:small", use_pretrain=True, pretrain_path=str(weights))
    assert first is not None and second is not None


@pytest.mark.parametrize(
    ("base", "default"), [("freematch", ("ema_p", 0.999)), ("uda", ("T", 0.4))]
)
def test_a_chosen_base_brings_its_own_options(
    tmp_path: Path, base: str, default: tuple[str, float]
) -> None:
    result = run(tmp_path, algorithm="weak_strong", base=base, num_train_iter=2, epoch=1)
    assert result is not None and result.base == base
    resolved = load_settings(tmp_path / "run" / "config.yaml").settings
    assert getattr(resolved, default[0]) == default[1]
