"""The Protocols of a running algorithm against running ones: each member from the moment it names on.

A moment is what stands before the colon in the comment above a group of members.
"""

import ast
import inspect
import re
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.run import run

import usb_ext
from usb_ext.engine.engine import Engine
from usb_ext.engine.loop import Loop
from usb_ext.methods.step.registry import RULES
from usb_ext.methods.step.running import RunningStep
from usb_ext.settings import Settings
from usb_ext.settings.algorithms import BASES
from usb_ext.training.warm_up import WarmedUp
from usb_ext.upstream import running, usb
from usb_ext.upstream.running import OnEngine, Running

MOMENTS = ("built", "settled", "started", "resumed", "in a step")
"""In the order in which a run passes through them; "resumed" only where it goes on from a checkpoint."""


def members(protocol: type) -> dict[str, str]:
    """The members that a Protocol adds, each with the moment of its group."""
    found, moment = {}, ""
    for line in inspect.getsource(protocol).splitlines():
        if group := re.match(r"    # ([a-z ]+): ", line):
            moment = group[1]
        elif member := re.match(r"    (?:def )?(\w+)[:(]", line):
            found[member[1]] = moment
    return found


IN_ANY_RUN = {**members(Running), **members(OnEngine)}


def class_of(hint: str) -> type | tuple[type, ...] | None:
    """What a member that is annotated with a plain class has to be; None for any other annotation."""
    plain = {
        "int": int,
        "float": (int, float),
        "bool": bool,
        "str": str,
        "nn.Module": torch.nn.Module,
    }
    named = {"Arguments": Namespace, "torch.device": torch.device, "RunFolder": running.RunFolder}
    return {**plain, **named, "torch.optim.Optimizer": torch.optim.Optimizer}.get(hint)


class Seen:
    """What a run had at each moment: the names there, and the values of the last moment."""

    def __init__(self) -> None:
        self.there: dict[str, set[str]] = {}
        self.algorithm: Any = None

    def look(self, moment: str, algorithm: Any) -> None:
        """Note the names whose value is there; a method or a None that stays None is there, too."""
        self.algorithm = algorithm
        names = {*vars(algorithm), *dir(type(algorithm))}
        if moment == "built" or vars(algorithm).get("ema") is None:
            names -= {"ema"}  # USB's `__init__` sets it to None
        self.there.setdefault(moment, names)


def watched(patch: pytest.MonkeyPatch) -> Seen:
    """Let every run that follows be looked at."""
    seen = Seen()

    def after(owner: type, name: str, moment: str, before: str | None = None) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        def looked(self: Any, *given: Any) -> Any:
            if before is not None:
                seen.look(before, self)
            found = original(self, *given)
            seen.look(moment, self)
            return found

        patch.setattr(owner, name, looked)

    after(Engine, "settle", "settled", before="built")
    after(Loop, "start_hooks", "started")
    after(Loop, "load", "resumed")
    after(Loop, "_end_epoch", "in a step")
    return seen


RUNS = {
    "layermatch": {"algorithm": "layermatch"},
    "fixmatch": {"algorithm": "fixmatch"},
    "usb's fixmatch": {"algorithm": "fixmatch", "step": "usb"},
    "comatch": {"algorithm": "comatch"},
}


@pytest.fixture(scope="module", params=RUNS)
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """A tiny run that is interrupted after its first step and resumed to its third."""
    folder, changed = tmp_path_factory.mktemp("run"), {**RUNS[request.param], "ema_m": 0.9}
    with pytest.MonkeyPatch.context() as patch:
        found = watched(patch)
        run(folder, 1, **changed)
        first = found.there.pop("in a step")
        run(folder, 3, resume=True, **changed)
    assert first <= found.there["in a step"]
    return found


def test_every_member_names_a_moment() -> None:
    assert set(IN_ANY_RUN.values()) == set(MOMENTS)
    assert len(members(Running)) > 35 and len(members(OnEngine)) > 15


def test_a_running_algorithm_has_every_member_from_its_moment_on(seen: Seen) -> None:
    for place, moment in enumerate(MOMENTS):
        due = {name for name, when in IN_ANY_RUN.items() if MOMENTS.index(when) <= place}
        if moment in ("settled", "started"):  # before the checkpoint is put back
            due -= {name for name, when in IN_ANY_RUN.items() if when == "resumed"}
        assert due <= seen.there[moment], f"{moment}: lacks {sorted(due - seen.there[moment])}"


def test_no_member_is_there_before_its_moment(seen: Seen) -> None:
    for name, when in IN_ANY_RUN.items():
        for earlier in MOMENTS[: MOMENTS.index(when)]:
            put_back = earlier == "resumed"  # a checkpoint has what a step had set
            if not (put_back or hasattr(type(seen.algorithm), name)):
                assert name not in seen.there[earlier], f"{name} is there when {earlier}"


def test_members_of_plain_types_are_of_them(seen: Seen) -> None:
    checked = 0
    for protocol in (Running, OnEngine):
        for name, hint in inspect.get_annotations(protocol).items():
            kind = class_of(
                inspect.formatannotation(hint).replace("torch.nn.modules.module.", "nn.")
            )
            if kind is not None:
                assert isinstance(getattr(seen.algorithm, name), kind), name
                checked += 1
    assert checked > 20


@pytest.mark.parametrize("algorithm", ["layermatch", "freematch"])
def test_our_step_adds_its_own(algorithm: str, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        found = watched(patch)
        run(tmp_path, 1, algorithm=algorithm)
    own = {name for name, when in members(RunningStep).items() if when == "built"}
    assert (
        own == {"rule", "extensions", "ulb_loss_mean", "head_tap"} and own <= found.there["built"]
    )
    statistics = {n for n, when in members(RunningStep).items() if when == "in a step of a base"}
    assert statistics == {"time_p", "p_model", "label_hist"}
    if algorithm == "freematch":
        assert not statistics & found.there["started"] and statistics <= found.there["in a step"]


def test_options_of_bases_are_those_that_their_rules_prepare() -> None:
    """The union of what the rules set, each given nothing but the options that it declares."""
    prepared: set[str] = set()
    for name, base in BASES.items():
        given, algorithm = Namespace(**base.options), SimpleNamespace()
        RULES[name].prepare(algorithm, given)  # type: ignore[arg-type]
        prepared |= set(vars(algorithm))
    named = {n for n, when in members(RunningStep).items() if when == "of a base"}
    assert prepared == named


def test_dash_has_what_the_warm_up_asks_for(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        found = watched(patch)
        run(tmp_path, 1, algorithm="dash", num_wu_iter=1)
    for name, when in members(WarmedUp).items():
        assert (name in found.there["built"]) == (when == "built"), name
        assert name in found.there["in a step"], name


def read_from_args() -> dict[str, str]:
    """Every NAME of an `args.NAME` in the rooms that know a run's namespace, and where it is read."""
    found = {}
    for room in ("upstream", "data", "engine", "methods", "training"):
        for path in (Path(usb_ext.__file__).parent / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and path.name != "release.py":  # of syntax trees
                    owner = node.value
                    name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", None)
                    if name == "args":
                        found[node.attr] = f"{path.name}:{node.lineno}"
    return found


def test_what_is_read_from_args_is_in_the_namespace_of_a_run(seen: Seen) -> None:
    """To a type checker the namespace is the settings: their methods and properties it has not."""
    names = read_from_args()
    assert len(names) > 90
    there = vars(seen.algorithm.args)
    assert {name: where for name, where in names.items() if name not in there} == {}
    assert set(Settings.model_fields) <= set(there)


STUB = ast.parse(Path(usb.__file__).with_suffix(".pyi").read_text())
DECLARED = {
    node.name: node for node in STUB.body if isinstance(node, ast.ClassDef | ast.FunctionDef)
}


def test_the_stub_declares_the_names_of_the_module() -> None:
    variables = {n.target.id for n in STUB.body if isinstance(n, ast.AnnAssign)}  # type: ignore[union-attr]
    assert set(usb.__all__) <= {*DECLARED, *variables}
    assert {*DECLARED, *variables} - set(usb.__all__) == {"Register"}


def functions() -> list[tuple[str, ast.FunctionDef]]:
    """Every function and method of the stub, with its dotted name in `usb.py`."""
    found = []
    for name, node in DECLARED.items():
        if isinstance(node, ast.FunctionDef):
            found.append((name, node))
        elif name != "Register":
            methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
            found += [(f"{name}.{part.name}", part) for part in methods]
    return found


@pytest.mark.parametrize(("name", "node"), functions(), ids=[name for name, _ in functions()])
def test_parameters_in_the_stub_are_usbs(name: str, node: ast.FunctionDef) -> None:
    """By name and in order; USB's may take more."""
    real: Any = usb
    for part in name.split("."):
        real = getattr(real, part)
    taken = inspect.signature(real).parameters
    named = [n for n, p in taken.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    declared = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
    variadic = node.args.vararg is not None  # `train_step`, which each algorithm has its own of
    assert declared == named[: len(declared)] or variadic
    given = len(node.args.defaults)
    open_ones = [n for n in declared if taken[n].default is inspect.Parameter.empty]
    assert variadic or open_ones == declared[: len(declared) - given]


MADE: dict[str, Callable[[], Any]] = {
    "DashThresholdingHook": lambda: usb.DashThresholdingHook(0.1, 1.2, 1.0),
    "FlexMatchThresholdingHook": lambda: usb.FlexMatchThresholdingHook(5, 3),
    "FreeMatchThresholdingHook": lambda: usb.FreeMatchThresholdingHook(3),
    "SoftMatchWeightingHook": lambda: usb.SoftMatchWeightingHook(3),
    "SSL_Argument": lambda: usb.SSL_Argument("--T", float, 0.5),
    "BasicDataset": lambda: usb.BasicDataset("fixmatch", torch.zeros(2, 2), [0, 1]),
    "RandAugment": lambda: usb.RandAugment(3, 5),
}


@pytest.mark.parametrize("name", MADE)
def test_attributes_in_the_stub_are_usbs(name: str) -> None:
    made, node = MADE[name](), DECLARED[name]
    declared = [part.target.id for part in node.body if isinstance(part, ast.AnnAssign)]  # type: ignore[union-attr]
    assert declared and [attribute for attribute in declared if not hasattr(made, attribute)] == []


def test_a_data_set_that_is_not_there_is_no_none() -> None:
    with pytest.raises(KeyError, match="test"):
        running.served({"test": None}, "test")
