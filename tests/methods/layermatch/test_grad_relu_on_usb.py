"""Grad-ReLU on USB's unmodified classes: in USB's own loop, in our engine, and on the command line."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from support.run import TINY, assert_same_state, checkpoint_of, metrics_of, run
from support.usb import NUM_CLASSES, TinyNet, batch, build, our_class, usb_class

from usb_ext.cli import main as cli
from usb_ext.core.errors import SettingsError
from usb_ext.methods.layermatch.grad_relu import GradReLUHook, WithGradReLU
from usb_ext.settings import load_settings
from usb_ext.training.compose import algorithm_classes
from usb_ext.upstream.device import cuda_means
from usb_ext.upstream.shared import drop_hooks
from usb_ext.upstream.usb import ALGORITHMS

CPU = torch.device("cpu")
STEPS = 5
BASES = ["fixmatch", "flexmatch", "freematch"]
OPTIONS: dict[str, Any] = {"p_cutoff": 0.3, "ent_loss_ratio": 0.2}


def gradients(algorithm: Any, data: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Gradients of USB's own step by parameter."""
    entries = algorithm.process_batch(**data)
    loss = algorithm.train_step(**entries)[0]["loss"]
    names, parameters = zip(*algorithm.model.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))


def in_usbs_loop(algorithm: Any, data: list[dict[str, torch.Tensor]]) -> None:
    """USB's `train` with its own update, on given batches; nothing is evaluated or written."""
    kinds = [type(algorithm.hooks_dict[n]) for n in ("EvaluationHook", "CheckpointHook")]
    drop_hooks(algorithm, *kinds)
    labelled = [{k: v for k, v in d.items() if k.endswith("lb") and "ulb" not in k} for d in data]
    unlabelled = [{k: v for k, v in d.items() if "ulb" in k} for d in data]
    algorithm.loader_dict = {"train_lb": labelled, "train_ulb": unlabelled}
    algorithm.num_train_iter, algorithm.scheduler = len(data), None
    algorithm.train()


@pytest.mark.parametrize("name", BASES)
def test_usbs_own_loop_trains_as_two_backward_passes_say(name: str) -> None:
    """The oracle: USB's class with its whole loss, and with all but the supervised one at weight 0."""
    data = [batch(seed) for seed in range(STEPS)]
    whole = build(usb_class(name), **OPTIONS)
    alone = build(usb_class(name), **{**OPTIONS, "ulb_loss_ratio": 0.0, "ent_loss_ratio": 0.0})
    reference: Any = copy.deepcopy(whole.model)
    optimizer = torch.optim.SGD(reference.parameters(), lr=0.1, momentum=0.9)
    apart = 0.0
    with cuda_means(CPU):
        for entries in data:
            found = []
            for algorithm in (whole, alone):
                algorithm.model.load_state_dict(reference.state_dict())
                found.append(gradients(algorithm, entries))
            for key, parameter in reference.named_parameters():
                parameter.grad = found[key.startswith("classifier")][key]
            apart += (found[0]["classifier.weight"] - found[1]["classifier.weight"]).norm().item()
            optimizer.step()
        made = build(usb_class(name), **OPTIONS)
        made.register_hook(GradReLUHook.on(made), "GradReLUHook")
        in_usbs_loop(made, data)
    assert made.it == STEPS and apart > 0.1
    for key, parameter in made.model.named_parameters():
        torch.testing.assert_close(parameter, reference.get_parameter(key), msg=key)


def test_an_algorithm_that_cannot_carry_it_is_refused_with_the_reason() -> None:
    apart = build(usb_class("fixmatch"), use_cat=False)
    with pytest.raises(SettingsError, match="use_cat is False.*use_cat: True, or step: ours"):
        GradReLUHook.on(apart)
    with pytest.raises(SettingsError, match=r"extensions: \[grad_relu\]"):
        GradReLUHook.on(build(our_class("fixmatch")))
    headless = build(usb_class("fixmatch"))
    headless.model = torch.nn.Linear(3, 4)
    with pytest.raises(SettingsError, match=f"{NUM_CLASSES} outputs found in Linear"):
        GradReLUHook.on(headless)


def test_a_step_that_never_calls_the_head_is_refused() -> None:
    made = build(usb_class("fixmatch"))
    hook = GradReLUHook.on(made)
    hook.before_train_step(made)
    with pytest.raises(SettingsError, match="without calling its classification layer"):
        hook.after_train_step(made)


def test_the_engine_puts_it_above_usbs_class() -> None:
    given = {"algorithm": "flexmatch", "step": "usb", "extensions": ["grad_relu"]}
    above, usbs = algorithm_classes(load_settings(given).settings)
    assert above is WithGradReLU and usbs is ALGORITHMS["flexmatch"]
    off = load_settings({**given, "grad_relu": False}).settings
    assert algorithm_classes(off) == (ALGORITHMS["flexmatch"],)


def test_in_our_engine_it_equals_our_step_and_resumes(tmp_path: Path) -> None:
    given: dict[str, Any] = {"algorithm": "fixmatch", "extensions": ["grad_relu"], "p_cutoff": 0.15}
    given |= {"num_train_iter": 4, "num_eval_iter": 4}
    whole = run(tmp_path / "usb", step="usb", **given)
    assert whole is not None and whole.extensions == ["grad_relu"]
    assert run(tmp_path / "cut", stop_after=2, step="usb", **given) is None
    run(tmp_path / "cut", step="usb", resume=True, **given)
    assert_same_state(checkpoint_of(tmp_path / "usb"), checkpoint_of(tmp_path / "cut"))
    run(tmp_path / "ours", **given)
    usb, ours = (checkpoint_of(tmp_path / name)["model"] for name in ("usb", "ours"))
    for key, value in usb.items():
        torch.testing.assert_close(value, ours[key], rtol=1e-3, atol=1e-4, msg=key)
    assert max(row["train/util_ratio"] for row in metrics_of(tmp_path / "usb")) > 0


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """`usb-ext train` on the tiny run; gives exit code and stderr."""

    def call(*words: str) -> tuple[int, str]:
        given = {**TINY, "save_dir": tmp_path, "num_train_iter": 2}
        del given["algorithm"]
        flags = [w for k, v in given.items() if f"--{k}" not in words for w in (f"--{k}", str(v))]
        code = cli.main(["train", *flags, *words])
        return code, capsys.readouterr().err

    return call


def test_the_command_trains_usbs_class_with_it(command: Any, tmp_path: Path) -> None:
    words = "--algorithm fixmatch --step usb --extensions grad_relu --p_cutoff 0.1"
    code, said = command(*words.split())
    assert code == 0 and said.startswith("batch norm") and said.count("\n") == 1  # a short run
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (result["algorithm"], result["extensions"]) == ("fixmatch", ["grad_relu"])


REFUSED = [
    ("fixmatch --step usb --use_cat False --extensions grad_relu", "which works without"),
    ("fixmatch --step usb --extensions avg_clustering", "no place for more than grad_relu"),
    ("fixmatch --step usb --extensions grad_relu,avg_clustering", "use step: ours"),
    (
        "freematch --step usb --extensions grad_relu --imb_algorithm abc",
        "imb_algorithm abc changes the batches",
    ),
    ("mixmatch --extensions grad_relu", "not that of a weak/strong method; these can: fixmatch"),
    ("fullysupervised --extensions grad_relu", "no unlabelled loss; these can: fixmatch"),
    (
        "layermatch --net support.odd_nets:PlainNet",
        "outputs found in PlainNet; grad_relu and avg_clustering need a torch.nn.Linear named one of",
    ),
    (
        "fixmatch --step usb --extensions grad_relu --net support.odd_nets:PlainNet",
        "or run without them",
    ),
    ("layermatch --net support.odd_nets:RoundTheHead", "call the layer in the network's forward"),
]


@pytest.mark.parametrize(("words", "reason"), REFUSED, ids=[words for words, _ in REFUSED])
def test_what_cannot_work_ends_with_exit_code_2_and_the_reason(
    command: Any, words: str, reason: str, tmp_path: Path
) -> None:
    code, error = command("--algorithm", *words.split())
    assert code == 2
    assert reason in error and error.count("\n") == 1
    assert error.startswith("usb-ext: ")
    if "RoundTheHead" not in words:  # seen in the first step, when the folder is there already
        assert list(tmp_path.iterdir()) == []


def test_use_cat_is_not_needed_with_our_step(command: Any) -> None:
    words = "--algorithm fixmatch --use_cat False --extensions grad_relu"
    code, said = command(*words.split())
    assert code == 0 and said.startswith("batch norm") and said.count("\n") == 1  # a short run


def test_the_tiny_network_selects() -> None:
    """The networks of these tests are sure of something, or the comparisons would compare little."""
    probabilities = torch.softmax(TinyNet().double()(batch(0)["x_ulb_w"])["logits"], dim=-1)
    assert probabilities.max(dim=-1).values.mean() > OPTIONS["p_cutoff"]
