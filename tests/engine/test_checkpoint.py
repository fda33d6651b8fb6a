"""Checkpoints: whole or not there, plain enough for `weights_only`, and refused with a remedy."""

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from usb_ext.core.errors import RunFailed, SettingsError
from usb_ext.core.files import RunFolder
from usb_ext.engine import checkpoint
from usb_ext.engine.state import ALGORITHM_SKIP, plain_fields
from usb_ext.upstream.usb import FreeMatchThresholdingHook

USB_KEYS = (
    """model ema_model optimizer scheduler loss_scaler it epoch best_it best_eval_acc""".split()
)


class OwnState:
    """A hook that says itself what its state is."""

    def __init__(self) -> None:
        self.name, self.total, self.stream = "own", 0.0, open

    def state_dict(self) -> dict[str, Any]:
        return {"own key": self.total}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.total = state["own key"]


def algorithm(seed: int, schedule: bool = True) -> Any:
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    halving = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    run = SimpleNamespace(
        model=model,
        ema_model=nn.Linear(3, 2),
        optimizer=optimizer,
        scheduler=halving if schedule else None,
        loss_scaler=torch.amp.GradScaler("cpu", init_scale=2.0**seed),
        hooks_dict={"MaskingHook": FreeMatchThresholdingHook(2), "Own": OwnState()},
        device=torch.device("cpu"),
        it=0,
        num_iter_per_epoch=2,
        best_it=0,
        best_eval_acc=0.0,
        lambda_u=1.0,
        queue=torch.zeros(2),
    )
    run.baseline = plain_fields(run, ALGORITHM_SKIP)
    run.hook_baselines = {n: plain_fields(h) for n, h in run.hooks_dict.items()}
    return run


def train(run: Any, steps: int) -> list[float]:
    """Steps that use and move every part of the state; returns the losses."""
    losses = []
    for _ in range(steps):
        inputs = torch.randn(4, 3) + random.random() + float(np.random.rand())
        hook = run.hooks_dict["MaskingHook"]
        loss = ((run.model(inputs) - run.queue) ** 2).mean() * (1 + hook.time_p)
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        if run.scheduler is not None:
            run.scheduler.step()
        with torch.no_grad():
            run.ema_model.weight.lerp_(run.model.weight, 0.1)
        run.queue = torch.stack((run.queue[1], loss.detach()))
        hook.time_p = hook.time_p * 0.5 + run.hooks_dict["Own"].total
        run.hooks_dict["Own"].total += 0.25
        run.it += 1
        if loss.item() > run.best_eval_acc:
            run.best_it, run.best_eval_acc = run.it, loss.item()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("schedule", [True, False])
def test_a_run_goes_on_bit_by_bit(tmp_path: Path, schedule: bool) -> None:
    folder = RunFolder(tmp_path)
    first = algorithm(1, schedule)
    train(first, 3)
    checkpoint.write(folder, checkpoint.collect(first, {"seed": 1}))
    wanted = train(first, 3)

    second = algorithm(2, schedule)
    checkpoint.restore(second, checkpoint.read(folder.latest, folder))
    assert second.it == 3 and second.restored
    assert train(second, 3) == wanted
    for part in ("model", "ema_model"):
        left, right = getattr(first, part), getattr(second, part)
        assert torch.equal(left.weight, right.weight)
    assert torch.equal(first.queue, second.queue)
    assert first.loss_scaler.get_scale() == second.loss_scaler.get_scale() == 2.0
    assert (first.best_it, first.best_eval_acc) == (second.best_it, second.best_eval_acc)


def test_the_file_has_usbs_keys_and_ours(tmp_path: Path) -> None:
    run = algorithm(1)
    train(run, 5)
    checkpoint.write(RunFolder(tmp_path), checkpoint.collect(run, {"seed": 1}))
    state = torch.load(tmp_path / "latest_model.pth", weights_only=True)
    assert set(state) == {*USB_KEYS, "usb_ext"}
    assert (state["it"], state["epoch"]) == (5, 2)
    assert state["best_eval_acc"] == run.best_eval_acc
    assert torch.equal(state["model"]["weight"], run.model.weight)
    own = state["usb_ext"]
    assert own["settings"] == {"seed": 1}
    assert own["hooks"]["Own"] == {"own key": 1.25}
    assert list(own["hooks"]["MaskingHook"]) == ["time_p"]  # what did not change is not there
    assert set(own["algorithm"]) == {"it", "best_it", "best_eval_acc", "queue"}


def test_the_checkpoint_before_is_kept(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for it in (1, 2, 3):
        checkpoint.write(folder, own_state(it))
    assert checkpoint.read(folder.latest)["it"] == 3
    assert checkpoint.read(folder.previous)["it"] == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["latest_model.pth", "previous_model.pth"]


def test_a_write_that_fails_leaves_both_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path)
    for it in (1, 2):
        checkpoint.write(folder, own_state(it))

    def full(state: Any, path: Path) -> None:
        path.write_bytes(b"half a")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(RunFailed, match="no space"):
        checkpoint.write(folder, own_state(3))
    assert checkpoint.read(folder.latest)["it"] == 2
    assert checkpoint.read(folder.previous)["it"] in (1, 2)


def test_left_overs_of_a_killed_write_are_no_obstacle(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    checkpoint.write(folder, own_state(1))
    for name in (".previous.part", ".latest_model.pth.part"):
        (tmp_path / name).write_bytes(b"half a")
    checkpoint.write(folder, own_state(2))
    assert checkpoint.read(folder.latest)["it"] == 2
    assert checkpoint.read(folder.previous)["it"] == 1


def own_state(it: int) -> dict[str, Any]:
    weights = torch.arange(2000.0) + it
    return {"it": it, "model": {"weight": weights}, "usb_ext": {"format": checkpoint.FORMAT}}


def broken(kind: str, path: Path) -> None:
    """Write something to `path` that is no checkpoint of ours."""
    if kind in ("truncated", "one byte short", "damaged"):
        torch.save(own_state(1), path)
        whole = path.read_bytes()
        cut = {"truncated": whole[:1000], "one byte short": whole[:-1]}
        path.write_bytes(cut.get(kind, whole[:200] + bytes(1000) + whole[1200:]))
    elif kind == "USB's":
        torch.save({"model": {}, "ema_model": {}, "optimizer": {}, "it": 4, "epoch": 0}, path)
    elif kind == "of a later format":
        torch.save({**own_state(1), "usb_ext": {"format": checkpoint.FORMAT + 1}}, path)
    elif kind == "of another usb_ext":
        torch.save({"usb_ext": "0.1"}, path)
    elif kind == "a list":
        torch.save([1, 2], path)
    elif kind == "a whole module":
        torch.save(nn.Linear(1, 1), path)
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(5000))
    else:
        path.write_text({"empty": "", "text": "it: 3\n", "html": "<!DOCTYPE html>\n"}[kind])


NOT_WHOLE = ["truncated", "one byte short", "damaged", "a whole module", "noise", "empty", "text"]
NOT_OURS = ["USB's", "of a later format", "of another usb_ext", "a list"]


@pytest.mark.parametrize("older", [True, False])
@pytest.mark.parametrize("kind", [*NOT_WHOLE, "html", *NOT_OURS])
def test_a_file_that_is_no_checkpoint_of_ours_is_refused(
    tmp_path: Path, kind: str, older: bool
) -> None:
    folder = RunFolder(tmp_path)
    broken(kind, folder.latest)
    if older:
        torch.save(own_state(1), folder.previous)
    with pytest.raises(SettingsError) as caught:
        checkpoint.read(folder.latest, folder)
    message = str(caught.value)
    assert message.startswith(str(folder.latest)) and "\n" not in message
    ours = "was not written by usb_ext" if kind in NOT_OURS else "is not a whole checkpoint"
    assert ours in message
    hint = f"--resume --load_path {folder.previous}" if older else "--overwrite"
    assert hint in message


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("seed", range(40))
def test_noise_never_ends_in_another_error(tmp_path: Path, seed: int) -> None:
    """Bytes flipped, cut and invented: always the error with the remedy, never another one."""
    generator = np.random.default_rng(seed)
    path = tmp_path / "file.pth"
    torch.save({"usb_ext": {"format": -1}}, path, _use_new_zipfile_serialization=seed % 2 == 0)
    content = np.frombuffer(path.read_bytes(), dtype=np.uint8).copy()
    places = generator.integers(0, len(content), 12)
    content[places] = generator.integers(0, 256, 12)
    path.write_bytes(content[: generator.integers(1, len(content) + 1)].tobytes())
    with pytest.raises(SettingsError):
        checkpoint.read(path)


def test_the_older_checkpoint_does_not_name_itself(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.previous.write_text("broken")
    with pytest.raises(SettingsError, match="start afresh with --overwrite"):
        checkpoint.read(folder.previous, folder)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.pth"):
        checkpoint.read(tmp_path / "none.pth")
