"""The checks of the patches: `python patch_checks.py TREE...` prints what each tree's checks say, as JSON.

A check raises on a tree without its patch, whatever other patches the tree has. `TREE=check_a,check_b` runs
these alone.
"""

import contextlib
import inspect
import io
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import checks_faults
import checks_new
import torch
from patch_world import (
    CLASSES,
    build,
    cuda_means_cpu,
    enter,
    failure,
    images,
    seed_all,
    settings,
    settings_in_json,
    usb,
)

Check = Callable[[Path], None]


def check_imports(folder: Path, error: BaseException | None = None) -> None:
    """semilearn imports with five packages blocked, and names one that is then asked for."""
    if error is not None:
        raise error
    assert len(usb("core.utils.registry").ALGORITHMS.keys()) >= 19
    named = failure(usb("nets").bert_base_uncased, num_classes=2)
    assert isinstance(named, ImportError) and "transformers" in str(named)


def check_restored(folder: Path) -> None:
    """Main: what #201 undid is there: DeFixMatch, `amp`, and a Trainer that updates parameters."""
    assert "defixmatch" in usb("core.utils.registry").ALGORITHMS.keys()
    assert not hasattr(usb("lighting").get_config({}), "use_amp")
    assert "call_hook" in inspect.getsource(usb("lighting").Trainer.fit)
    assert hasattr(usb("algorithms.freematch.utils"), "FreeMatchThresholdingHook")
    files = (Path(usb("core").__file__).parents[2] / "config").rglob("*.yaml")
    assert not [path for path in files if "<<<<<<<" in path.read_text()]


def check_sequencematch(folder: Path) -> None:
    """Main: SequenceMatch steps."""
    trained(build("sequencematch", num_train_iter=1, save_dir=str(folder)))


def check_clip_grad(folder: Path) -> None:
    """Main: no settings file and no generator says `clip`, which nothing reads."""
    tree = Path(usb("core").__file__).parents[2]
    for path in [*(tree / "config").rglob("*.yaml"), *(tree / "scripts").glob("*.py")]:
        text = path.read_text()
        assert "\nclip:" not in text and 'cfg["clip"]' not in text, path


def check_yaml(folder: Path) -> None:
    """A file is read with its numbers; a tag that runs code is refused and not run."""
    read = usb("core.utils.misc").over_write_args_from_file
    (folder / "plain.yaml").write_text("lr: 5e-05\nnet: wrn_28_2\namp: False\n")
    args = SimpleNamespace(lr=1.0, epoch=3)
    read(args, str(folder / "plain.yaml"))
    assert vars(args) == {"lr": 5e-05, "epoch": 3, "net": "wrn_28_2", "amp": False}
    made = folder / "made"
    (folder / "tag.yaml").write_text(f"lr: !!python/object/apply:os.mkdir [{made}]\n")
    refusal = failure(read, args, str(folder / "tag.yaml"))
    assert "could not determine a constructor for the tag" in str(refusal)
    assert not made.exists()


def check_device(folder: Path) -> None:
    """Training, evaluation, saving and loading without CUDA; a wrapped model keeps `module`."""
    for name in ("fixmatch", "flexmatch", "freematch", "softmatch"):
        algorithm = build(name, num_train_iter=2, num_eval_iter=1, save_dir=str(folder))
        algorithm.model = usb("core.utils").send_model_cuda(algorithm.args, algorithm.model)
        algorithm.ema_model = usb("core.utils").send_model_cuda(
            algorithm.args, algorithm.ema_model, clip_batch=False
        )
        algorithm.train()
        assert algorithm.model.module.num_features == 8
        assert algorithm.log_dict["train/run_time"] > 0
        assert 0 < algorithm.log_dict["train/total_loss"] < 100
        algorithm.load_model(str(folder / "run" / "latest_model.pth"))
    choose = usb("core.utils.device").get_device
    assert (choose(), choose(2)) == (torch.device("cpu"), torch.device("cpu"))
    with mock.patch.object(torch.cuda, "is_available", lambda: True):
        assert (choose(), choose(2)) == (torch.device("cuda"), torch.device("cuda", 2))


def check_flags(folder: Path) -> None:
    """Given settings win over the file, the file over defaults; unknown names are reported."""
    (folder / "run.json").write_text('{"lr": 0.1, "momentum": 0.8, "p_cutof": 0.7}')
    with settings_in_json(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        file = str(folder / "run.json")
        args = usb("lighting").get_config({"c": file, "lr": 0.5, "p_cutoff": 0.6})
        assert (args.lr, args.momentum, args.p_cutoff) == (0.5, 0.8, 0.6)
        said = [str(w.message) for w in caught if "p_cutof" in str(w.message)]
        assert len(said) == 1 and "did you mean p_cutoff" in said[0], said
        parse = usb("core.utils.settings").parse_settings
        parsed = parse(_common_options(), ["--c", file, "--lr", "0.3", "--p_cutoff", "0.5"])
    assert (parsed.lr, parsed.momentum, parsed.p_cutoff) == (0.3, 0.8, 0.5)


def _common_options() -> Any:
    import argparse

    parser = argparse.ArgumentParser()
    for name, kind, default in (
        ("c", str, ""), ("lr", float, 0.03), ("momentum", float, 0.9),
        ("algorithm", str, "fixmatch"), ("imb_algorithm", str, None),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=kind, default=default)
    return parser


def check_order(folder: Path) -> None:
    """Two seeds give two orders; seed 0 gives the order of the epoch number alone."""

    def order(seed: int, epoch: int = 2) -> list[int]:
        args = settings("fixmatch", seed=seed)
        sampler = usb("core.utils").get_data_loader(args, list(range(32)), batch_size=4).sampler
        sampler.set_epoch(epoch)
        return list(sampler)

    expected = torch.randperm(32, generator=torch.Generator().manual_seed(2)).tolist()
    assert order(0) == expected
    orders = {tuple(order(seed, epoch)) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16, "seeds share orders"
    assert order(3) == order(3)


def check_index_files(folder: Path) -> None:
    """Indices are written into the run's folder and nothing beside the package."""
    data, targets = images(0, 6, 4)
    args = settings("fixmatch", save_dir=str(folder))
    beside = Path(usb("datasets").__file__).parents[2] / "data"
    usb("datasets").split_ssl_data(args, data, targets, CLASSES, 8)
    assert not beside.exists()
    assert len(list((folder / "run").rglob("*.npy"))) == 2


class _Killed(Exception):
    """What ends a run in the middle of an epoch."""


def check_resume(folder: Path) -> None:
    """A run that is killed after a checkpoint and resumed ends as one that was not, bit for bit."""
    for epochs, saved, killed in ((1, 5, 6), (2, 5, 7), (2, 4, 5)):
        place = str(folder / f"{epochs}-{saved}")
        changed = {"epoch": epochs, "num_eval_iter": saved, "lr": 0.3, "save_dir": place}
        straight = trained(build("fixmatch", **changed))
        trained(build("fixmatch", **changed), killed)
        second = build("fixmatch", resume=True, **changed)
        seed_all(99)
        second.load_model(f"{place}/run/latest_model.pth")
        assert second.it == saved
        trained(second)
        assert same(straight, second), f"{epochs} epochs, saved after {saved}"


def trained(algorithm: Any, killed: int | None = None) -> Any:
    """The run as its last step left it: USB loads the best model after that.

    It is killed before that where `killed` says so, CReST in its second generation.
    """

    class Killer(usb("core.hooks").Hook):  # type: ignore[misc]
        def after_train_step(self, algorithm: Any) -> None:
            if algorithm.it + 1 == killed and getattr(algorithm, "gen", 1) == 1:
                raise _Killed

    algorithm.register_hook(Killer(), "Killer", "LOWEST")
    algorithm.hooks_dict["EvaluationHook"].after_run = lambda _: None
    with contextlib.suppress(_Killed):
        algorithm.train()
    return algorithm


def same(one: Any, other: Any, steps: int = 8) -> bool:
    """Whether two runs of so many steps have equal weights and averages."""
    pairs = zip(
        [*one.model.state_dict().values(), *one.ema.shadow.values()],
        [*other.model.state_dict().values(), *other.ema.shadow.values()],
        strict=True,
    )
    return one.it == other.it == steps and all(torch.equal(a, b) for a, b in pairs)


def check_seam(folder: Path) -> None:
    """A hook between backward and step is called once a step and may change the gradients."""

    class Doubler(usb("core.hooks").Hook):  # type: ignore[misc]
        calls = 0

        def before_optimizer_step(self, algorithm: Any) -> None:
            self.calls += 1
            for parameter in algorithm.model.parameters():
                parameter.grad.mul_(2)

    moved = []
    for hook in (None, Doubler()):
        algorithm = build("fixmatch", num_train_iter=1, weight_decay=0.0)
        before = algorithm.model.classifier.weight.detach().clone()
        update = algorithm.hooks_dict["ParamUpdateHook"]
        if hook is not None:
            algorithm.register_hook(hook, "Doubler")
        out = algorithm.model(torch.ones(4, 3, 4, 4).cumsum(0))
        algorithm.out_dict = {"loss": out["logits"].square().mean()}
        update.after_train_step(algorithm)
        moved.append(algorithm.model.classifier.weight.detach() - before)
    assert hook is not None and hook.calls == 1
    torch.testing.assert_close(moved[1], 2 * moved[0])
    assert moved[0].abs().max() > 0


def check_averages(folder: Path) -> None:
    """One averaging step by its formula, in place, without loading state dicts."""
    algorithm = build("fixmatch", ema_m=0.75)
    hook = algorithm.hooks_dict["EMAHook"]
    hook.before_run(algorithm)
    before = {n: t.clone() for n, t in algorithm.ema.shadow.items()}
    places = {n: t.data_ptr() for n, t in algorithm.ema.shadow.items()}
    with torch.no_grad():
        for parameter in algorithm.model.parameters():
            parameter.add_(torch.ones_like(parameter))
        algorithm.model.body[2].running_mean.fill_(3.0)
    with mock.patch.object(
        torch.nn.Module, "load_state_dict", side_effect=AssertionError("loaded")
    ):
        hook.after_train_step(algorithm)
    averaged = dict(algorithm.ema_model.named_parameters())
    for name, parameter in algorithm.model.named_parameters():
        expected = 0.75 * before[name] + 0.25 * parameter
        torch.testing.assert_close(algorithm.ema.shadow[name], expected.detach())
        assert torch.equal(averaged[name], algorithm.ema.shadow[name])
        assert algorithm.ema.shadow[name].data_ptr() == places[name]
    assert algorithm.ema_model.body[2].running_mean.eq(3.0).all()


def check_hook_state(folder: Path) -> None:
    """The state of a hook of the user's comes back with the checkpoint, and that of Adsh."""

    class Counter(usb("core.hooks").Hook):  # type: ignore[misc]
        saved = ("seen",)

    def made() -> Any:
        algorithm = build("fixmatch", "adsh", save_dir=str(folder))
        algorithm.epoch = 0
        counter = Counter()
        counter.seen = torch.zeros(3)
        algorithm.register_hook(counter, "Counter")
        return algorithm

    first, second = made(), made()
    first.hooks_dict["Counter"].seen = torch.tensor([1.0, 2.0, 3.0])
    first.hooks_dict["MaskingHook"].adsh_s.fill_(0.25)
    first.save_model("hooks.pth", str(folder))
    second.load_model(str(folder / "hooks.pth"))
    assert second.hooks_dict["Counter"].seen.tolist() == [1.0, 2.0, 3.0]
    assert second.hooks_dict["MaskingHook"].adsh_s.tolist() == [0.25] * CLASSES


def check_best(folder: Path) -> None:
    """The test accuracy is measured with the averages of the best model, not the last ones."""
    algorithm = build("fixmatch", save_dir=str(folder))
    algorithm.epoch = 0
    algorithm.call_hook("before_run", "EMAHook")
    algorithm.save_model("model_best.pth", str(folder / "run"))
    best = algorithm.ema_model.classifier.weight.detach().clone()
    for tensor in algorithm.ema.shadow.values():
        tensor.add_(1.0)
    with torch.no_grad():
        algorithm.ema_model.classifier.weight.add_(1.0)
    tested: list[torch.Tensor] = []

    def evaluate(_: str) -> dict[str, float]:
        tested.append(algorithm.ema.shadow["classifier.weight"].clone())
        return {"test/top-1-acc": 0.5}

    algorithm.evaluate = evaluate
    algorithm.hooks_dict["EvaluationHook"].after_run(algorithm)
    assert torch.equal(tested[0], best)


def check_crest(folder: Path) -> None:
    """Pseudo-labels of a generation join the labelled images, the more the rarer their class."""
    run = build("fixmatch", "crest")
    data, targets = images(0, 6, 4)
    picked = [list(range(6 * c, 6 * c + 6)) for c in range(CLASSES)]
    found = run.get_split(data[:4], targets[:4], data, targets, picked)
    assert len(found[0]) > 4


CHECKS: dict[str, Check] = {
    name: check
    for name, check in {**globals(), **vars(checks_faults), **vars(checks_new)}.items()
    if name.startswith("check_")
}
MAIN_ALONE = (
    "check_restored", "check_clip_grad", "check_sequencematch", "check_end_of_epoch", "check_epass_options",
    "check_two_classes", "check_food101", "check_train_py", "check_eval_py", "check_train_flags",
    "check_train_resume",
)  # fmt: skip
"""Checks of what the released wheel does not have."""
WITHOUT_CUDA = ("check_device", "check_train_py", "check_eval_py")
"""Checks for which calls of CUDA are not made harmless."""


def run_checks(tree: Path, chosen: Collection[str] = ()) -> dict[str, str]:
    """What each check, or each of the chosen ones, says of a tree: nothing, or the error."""
    names = [name for name in CHECKS if not chosen or name in chosen]
    if not (tree / "train.py").exists():  # the wheel
        names = [name for name in names if name not in MAIN_ALONE]
    try:
        error = enter(tree)
    except ImportError as missing:  # main, with timm 1: nothing can be checked
        return dict.fromkeys(names, f"semilearn does not import: {missing}")
    given = {"check_imports": lambda folder: check_imports(folder, error)}
    said = {}
    for name in names:
        with contextlib.nullcontext() if name in WITHOUT_CUDA else cuda_means_cpu():
            said[name] = _said(given.get(name, CHECKS[name]))
    return said


def _said(check: Check) -> str:
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        error = failure(check, Path(folder))
    return "" if error is None else f"{type(error).__name__}: {error}"[:300]


if __name__ == "__main__":
    torch.set_num_threads(1)
    asked = [word.partition("=") for word in sys.argv[1:]]
    rows = {
        tree: run_checks(Path(tree), names.split(",") if names else ()) for tree, _, names in asked
    }
    sys.stdout.write(json.dumps(rows))
