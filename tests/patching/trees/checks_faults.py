"""Checks of single faults beside the main check of their patch; `patch_checks.py` runs them."""

import importlib.util
import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
import torchvision
from patch_world import (
    CLASSES,
    build,
    failure,
    images,
    settings,
    settings_in_json,
    usb,
    wide_net,
)
from PIL import Image


def check_end_of_epoch(folder: Path) -> None:
    """Main: a hook knows where an epoch ends."""
    end = usb("core.hooks").Hook().end_of_epoch
    run = build("fixmatch", num_train_iter=4, epoch=2)
    found = [end(run) for run.it in range(4)]
    assert found == [False, True, False, True]


def check_epass_options(folder: Path) -> None:
    """Main: CoMatch and SimMatch declare the option that they read."""
    for name in ("comatch", "simmatch"):
        options = usb("core.utils").ALGORITHMS[name].get_argument()
        assert "--use_epass" in [option.name for option in options]


def check_two_classes(folder: Path) -> None:
    """Main: a task of two classes is evaluated."""
    run = build("fixmatch", num_classes=2)
    run.ema = mock.Mock()
    run.loader_dict["eval"] = [{"x_lb": torch.zeros(2, 3, 4, 4), "y_lb": torch.tensor([0, 1])}]
    assert "eval/top-1-acc" in run.evaluate("eval")


def check_food101(folder: Path) -> None:
    """Main: an unlabelled image of Food-101 has a strong view."""
    Image.new("RGB", (40, 40)).save(folder / "a.png")
    files = SimpleNamespace(
        _image_files=np.array([folder / "a.png"] * 16), _labels=np.arange(16) % 4
    )
    args = settings("fixmatch", num_labels=4, save_dir=str(folder), img_size=32, crop_ratio=0.875)
    with mock.patch.object(torchvision.datasets, "Food101", lambda *_, **__: files):
        module = usb("datasets.cv_datasets.food101")
        _, unlabelled, _ = module.get_food101(args, "fixmatch", "food101", 4, 4, str(folder))
    assert unlabelled[0]["x_ulb_s"].shape == (3, 32, 32)


def check_best_keeps_training(folder: Path) -> None:
    """Taking the best model for the test puts back neither step, optimizer nor hooks."""
    run = build("flexmatch", save_dir=str(folder), num_train_iter=1)
    run.epoch = 0
    run.call_hook("before_run", "EMAHook")
    run.save_model("model_best.pth", str(folder / "run"))
    run.it = 7
    run.optimizer.param_groups[0]["lr"] = 0.75
    run.hooks_dict["MaskingHook"].selected_label.fill_(2)
    run.evaluate = lambda _: {"test/top-1-acc": 0.5}
    run.hooks_dict["EvaluationHook"].after_run(run)
    assert (run.it, run.optimizer.param_groups[0]["lr"]) == (7, 0.75)
    assert run.hooks_dict["MaskingHook"].selected_label.eq(2).all()


def check_numpy_checkpoint(folder: Path) -> None:
    """A checkpoint of before, whose best accuracy is a number of NumPy's, is read."""
    run = build("fixmatch", save_dir=str(folder))
    run.epoch, run.it = 0, 4
    run.save_model("now.pth", str(folder))
    saved = torch.load(folder / "now.pth", weights_only=False)
    torch.save({**saved, "best_eval_acc": np.float64(0.5)}, folder / "before.pth")
    run.load_model(str(folder / "before.pth"))
    assert run.best_eval_acc == 0.5


class Cifar10(SimpleNamespace):
    """In the place of torchvision's: images of four colours."""

    def __init__(self, root: str, train: bool, download: bool) -> None:
        data, targets = images(1 if train else 2, 12 if train else 4)
        super().__init__(data=data, targets=targets.tolist())


@contextmanager
def train_py(folder: Path, *words: str) -> Iterator[Any]:
    """The tree's `train.py` as a module, with flags for two steps of FixMatch and `words`."""
    chosen = {
        "c": "", "dataset": "cifar10", "num_classes": 4, "num_labels": 8, "epoch": 1, "num_train_iter": 2,
        "num_eval_iter": 1, "num_log_iter": 1, "batch_size": 4, "uratio": 1, "eval_batch_size": 16,
        "num_workers": 0, "save_dir": folder, "save_name": "run", "data_dir": folder, "seed": 0,
    }  # fmt: skip
    flags = [str(word) for name, value in chosen.items() for word in (f"--{name}", value)]
    path = Path(usb("core").__file__).parents[2] / "train.py"
    spec = importlib.util.spec_from_file_location("train_of_tree", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(sys.modules, {"train_of_tree": module}):
        spec.loader.exec_module(module)
        with (
            mock.patch.object(sys, "argv", ["train.py", *flags, *words]),
            mock.patch.object(torchvision.datasets, "CIFAR10", Cifar10),
            mock.patch.object(module, "get_net_builder", lambda *_: wide_net),
        ):
            yield module


def check_train_py(folder: Path) -> None:
    """Main: `train.py` with one process for each GPU, USB's way, trains on a machine without any."""
    with train_py(folder, "--multiprocessing-distributed", "True") as module:
        module.main(module.get_config())
    assert torch.load(folder / "run" / "latest_model.pth", weights_only=False)["it"] >= 2


def check_eval_py(folder: Path) -> None:
    """Main: `eval.py` evaluates on a machine without CUDA."""
    tree = Path(usb("core").__file__).parents[2]
    weights = usb("nets").wrn_28_2(num_classes=CLASSES).state_dict()
    torch.save({"ema_model": weights}, folder / "model.pth")
    line = ["eval.py", "--load_path", str(folder / "model.pth"), "--num_classes", str(CLASSES)]
    with (
        mock.patch.object(sys, "argv", line),
        mock.patch.object(torchvision.datasets, "CIFAR10", Cifar10),
    ):
        runpy.run_path(str(tree / "eval.py"), run_name="__main__")


def check_train_flags(folder: Path) -> None:
    """Main: a flag of `train.py` wins over the file; an option of the algorithm is a flag."""
    (folder / "run.json").write_text('{"lr": 0.1, "num_train_iter": 8, "p_cutoff": 0.7}')
    words = ("--c", str(folder / "run.json"), "--num_train_iter", "6", "--p_cutoff", "0.75")
    with train_py(folder, *words) as module, settings_in_json(module):
        args = module.get_config()
    assert (args.num_train_iter, args.p_cutoff, args.lr) == (6, 0.75, 0.1)


def check_train_resume(folder: Path) -> None:
    """Main: `train.py` does not start afresh where a checkpoint cannot be loaded."""
    (folder / "broken.pth").write_bytes(b"no checkpoint")
    words = ("--resume", "--load_path", str(folder / "broken.pth"))
    with train_py(folder, *words) as module:
        error = failure(module.main, module.get_config())
    assert error is not None
    assert not (folder / "run" / "latest_model.pth").exists()


def check_resume_cuda_states(folder: Path) -> None:
    """A run that had two GPUs goes on with one."""
    run = build("fixmatch")
    run.rng_state = {**run.get_rng_state(), "cuda": ["first", "second"]}
    taken = []
    with (
        mock.patch.object(torch.cuda, "is_available", lambda: True),
        mock.patch.object(torch.cuda, "device_count", lambda: 1),
        mock.patch.object(torch.cuda, "set_rng_state", lambda *given: taken.append(given)),
    ):
        run.restore_rng_state()
    assert taken == [("first", 0)]


def check_resume_older(folder: Path) -> None:
    """A checkpoint without random states is loaded, and says what it lacks."""
    run = build("fixmatch", save_dir=str(folder))
    run.epoch, run.it = 0, 4
    run.save_model("now.pth", str(folder))
    saved = torch.load(folder / "now.pth", weights_only=False)
    saved.pop("rng_state", None)
    torch.save(saved, folder / "before.pth")
    said: list[str] = []
    run.print_fn = said.append
    run.load_model(str(folder / "before.pth"))
    assert run.it == 5 and any("no random states" in line for line in said)


def _reloaded(folder: Path, imbalanced: str, change: Any, **own: Any) -> Any:
    """A second run of an imbalanced algorithm with the checkpoint of a first one that was changed."""
    runs = [
        build("fixmatch", imbalanced, flat=False, save_dir=str(folder), **own) for _ in range(2)
    ]
    change(runs[0])
    runs[0].epoch = 0
    runs[0].save_model("kept.pth", str(folder))
    runs[1].load_model(str(folder / "kept.pth"))
    return runs[1]


def check_resume_crmatch(folder: Path) -> None:
    """The loader of rotated images leaves out what was seen, as the others do."""
    run = build("crmatch", flat=False, save_dir=str(folder))
    run.epoch, run.it = 0, 2
    run.save_model("kept.pth", str(folder))
    run.load_model(str(folder / "kept.pth"))
    names = ("train_lb", "train_ulb", "train_ulb_rot")
    assert [run.loader_dict[name].sampler.skip for name in names] == [12, 12, 12]


def check_resume_debiaspl(folder: Path) -> None:
    """The averaged prediction is kept."""
    found = _reloaded(folder, "debiaspl", lambda run: run.p_hat.mul_(torch.tensor([1.0, 2, 0, 1])))
    assert found.p_hat.tolist() == [0.25, 0.5, 0.0, 0.25]


def check_resume_saw(folder: Path) -> None:
    """The class weights of a checkpoint are not put back to the first ones, and the checkpoint is given."""

    def change(run: Any) -> None:
        run.x_lb_weights, run.x_ulb_weights = torch.ones(CLASSES), torch.arange(4.0)

    found = _reloaded(folder, "saw", change)
    found.call_hook("before_run", "SAWWeightsHook")
    assert found.x_ulb_weights.tolist() == [0, 1, 2, 3]
    assert found.load_model(str(folder / "kept.pth")) is not None


def check_resume_daso(folder: Path) -> None:
    """The queue of features is kept."""

    def change(run: Any) -> None:
        run.queue.bank[1] = torch.full((3, run.model.num_features), 5.0)

    bank = _reloaded(folder, "daso", change).queue.bank
    assert bank[1].eq(5).all() and len(bank[1]) == 3


def check_resume_cossl(folder: Path) -> None:
    """The optimizer of the teacher is kept, and a resumed epoch does not begin with a new teacher."""

    def change(run: Any) -> None:
        run.model.teacher_classifier.weight.grad = torch.ones_like(
            run.model.teacher_classifier.weight
        )
        run.tfe_optimizer.step()
        run.it = 2

    found = _reloaded(folder, "cossl", change)
    moments = [s["momentum_buffer"] for s in found.tfe_optimizer.state.values() if s]
    assert moments and moments[0].abs().max() > 0
    found.mixup_prob = None
    module = usb("imb_algorithms.cossl.cossl")
    with mock.patch.object(module, "classifier_warmup", side_effect=AssertionError):
        found.call_hook("before_train_epoch", "ParamUpdateHook")
    assert found.mixup_prob is not None


def check_resume_crest(folder: Path) -> None:
    """A generation goes on with its pseudo-labels, on the split of the first one."""
    own = {"crest_num_gens": 2, "save_dir": str(folder)}
    runs = [build("fixmatch", "crest", **own) for _ in range(2)]
    for run in runs:
        for kind in ("model", "ema_model"):
            setattr(run, kind, usb("core.utils").send_model_cuda(run.args, getattr(run, kind)))
    runs[0].epoch, runs[0].gen, runs[0].it = 0, 1, 3
    runs[0].hooks_dict["DistAlignHook"].p_model = torch.ones(CLASSES)
    runs[0].pseudo_label_list = [np.arange(12 * c, 12 * c + 6) for c in range(CLASSES)]
    runs[0].save_model("kept.pth", str(folder))
    with mock.patch.object(usb("imb_algorithms.crest.crest"), "get_dataset", None):
        runs[1].load_model(str(folder / "kept.pth"))
    assert (runs[1].it, runs[1].start_gen) == (4, 1)
    assert len(runs[1].dataset_dict["train_lb"]) > 8
    assert runs[1].loader_dict["train_lb"].dataset is runs[1].dataset_dict["train_lb"]
    assert runs[1].loader_dict["train_lb"].sampler.skip == 16


def check_hook_state_named(folder: Path) -> None:
    """What a hook does not name is not saved; what it names goes to the device where it was."""

    class Silent(usb("core.hooks").Hook):  # type: ignore[misc]
        table = torch.ones(3)

    class Elsewhere(Silent):
        saved = ("table",)

    run = build("fixmatch", save_dir=str(folder))
    run.epoch = 0
    for hook in (Silent(), Elsewhere()):
        run.register_hook(hook, type(hook).__name__)
    run.save_model("hooks.pth", str(folder))
    kept = torch.load(folder / "hooks.pth", weights_only=False)["hooks"]
    assert "Elsewhere" in kept and "Silent" not in kept
    run.hooks_dict["Elsewhere"].table = torch.ones(3, device="meta")
    run.load_model(str(folder / "hooks.pth"))
    assert run.hooks_dict["Elsewhere"].table.device.type == "meta"


def _order(hook: Any, amp: bool) -> list[str]:
    """What an update hook calls, in order."""
    run = mock.MagicMock()
    run.use_amp, run.clip_grad, run.epoch, run.warm_epoch, run.log_dict = amp, 0, 0, 1, {}
    run.device, run.start_run.elapsed_time.return_value = torch.device("cpu"), 1.0
    hook.after_train_step(run)
    wanted = {
        "loss_scaler.unscale_": "unscale", "loss_scaler.step": "step", "optimizer.step": "step",
    }  # fmt: skip
    names = []
    for name, given, _ in run.mock_calls:
        if name == "call_hook":
            names.append(given[0])
        elif name in wanted:
            names.append(wanted[name])
    return names


def check_seam_amp(folder: Path) -> None:
    """With mixed precision the hooks see unscaled gradients, also where nothing is clipped."""
    update = usb("core.hooks").ParamUpdateHook()
    assert _order(update, amp=True) == ["unscale", "before_optimizer_step", "step"]


def check_seam_cossl(folder: Path) -> None:
    """CoSSL's own update has the stage, too."""
    update = usb("imb_algorithms.cossl.cossl").CoSSLParamUpdateHook()
    assert _order(update, amp=False) == ["before_optimizer_step", "step"]
    assert _order(update, amp=True) == ["unscale", "before_optimizer_step", "step"]


def check_averages_fallback(folder: Path) -> None:
    """Without the fused kernels (torch below 2.1) averages move in place by the same formula."""
    fused = {name: getattr(torch, name) for name in ("_foreach_lerp_", "_foreach_copy_")}
    for name in fused:
        delattr(torch, name)
    try:
        run = build("fixmatch", ema_m=0.75)
        hook = run.hooks_dict["EMAHook"]
        hook.before_run(run)
        name, parameter = next(iter(run.model.named_parameters()))
        held = run.ema.shadow[name]
        before = held.clone()
        with torch.no_grad():
            parameter.add_(1.0)
        hook.after_train_step(run)
        torch.testing.assert_close(held, before + 0.25)
        assert torch.equal(dict(run.ema_model.named_parameters())[name], held)
    finally:
        for name, kernel in fused.items():
            setattr(torch, name, kernel)
