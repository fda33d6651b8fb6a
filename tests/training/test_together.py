"""Runs of several processes beside runs of one: the same steps, checkpoints for any number, one voice."""

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support.built import built
from support.processes import in_processes, results, started, variables
from support.run import SIX, checkpoint_of, metrics_of, run
from support.steps import compared, double, gap, make_fast, stepped

from usb_ext.core.errors import Interrupted, SettingsError, ToldElsewhere, UsbExtError
from usb_ext.core.processes import ALONE, entered, world
from usb_ext.settings.algorithms import BASES
from usb_ext.settings.processes import MEANS
from usb_ext.training import together as module
from usb_ext.training import train
from usb_ext.training.together import Place, check_alone, place_of

SMALL: dict[str, Any] = {"batch_size": 5, "uratio": 2, "ema_m": 0.5, "lr": 0.1, "num_val": 20}
"""Five labelled rows and ten of each view: two processes have 3 and 2, and four 2, 1, 1 and 1."""

LOW: dict[str, dict[str, Any]] = {
    "dash": {"num_wu_iter": 1, "rho_min": 2.0},
    "freematch": {"ent_loss_ratio": 0.1},
    "instant": {"p_cutoff": 0.2, "warm_up_it": 0},
    "softmatch": {},
}
"""Options by which a base selects some of an untrained network's predictions; 0.15 elsewhere."""

PARTS: dict[str, dict[str, Any]] = {
    "none": {},
    "grad_relu": {"extensions": ["grad_relu"]},
    "avg_clustering": {"extensions": ["avg_clustering"], "ac_lr": 0.5, "ac_momentum": 0.5},
    "smooth_weight": {"extensions": ["smooth_weight"], "lambda_phi": 0.1},
    "influence": {
        "extensions": ["influence"], "influence_every": 1, "influence_val_batch": 7, "influence_lr": 0.1,
    },
    "prior_label": {"extensions": ["prior_label"], "prior_until": 10},
}  # fmt: skip


def of_base(base: str, **changed: Any) -> dict[str, Any]:
    return {
        "algorithm": "weak_strong", "base": base, **SMALL, **LOW.get(base, {"p_cutoff": 0.15}), **changed,
    }  # fmt: skip


def products(base: str) -> list[tuple[str, dict[str, Any]]]:
    """A base with every extension that it can carry."""
    selects = BASES[base].has_threshold
    parts = {n: p for n, p in PARTS.items() if n != "smooth_weight" or selects}
    return [(f"{base}+{name}", of_base(base, **part)) for name, part in parts.items()]


def variants() -> list[tuple[str, dict[str, Any]]]:
    """Another mean, another inverse, other views, and one of USB's own steps, on equal shares."""
    return [v for v in every_variant() if v[0] in ("selected", "neumann", "batched", "defixmatch")]


def every_variant() -> list[tuple[str, dict[str, Any]]]:
    """Other means, solvers, passes and views; and USB's own steps, on equal shares."""
    influence = PARTS["influence"]
    own = {**SMALL, "batch_size": 4, "num_val": 0}
    return [
        (
            "selected",
            {"algorithm": "layermatch", **SMALL, "ulb_loss_mean": "selected", "ac_lr": 0.5},
        ),
        ("mechanism", {"algorithm": "layermatch", **SMALL, "log_mechanism": True}),
        ("one weight", of_base("fixmatch", **influence, influence_weights="single")),
        ("identity", of_base("fixmatch", **influence, influence_inverse="identity")),
        ("neumann", of_base("fixmatch", **influence, influence_inverse="neumann")),
        ("one matrix", of_base("instant", estimation="class")),
        ("apart", of_base("fixmatch", use_cat=False)),
        ("no prior any more", of_base("flexmatch", **{**PARTS["prior_label"], "prior_until": 1})),
        ("annealed", of_base("uda", tsa_schedule="linear")),
        ("of each class", of_base("softmatch", per_class=True, dist_uniform=False)),
        ("quantile", of_base("freematch", use_quantile=True, clip_thresh=True)),
        ("no warm-up", of_base("flexmatch", thresh_warmup=False)),
        ("batched", of_base("fixmatch", augment="batched")),
        ("defixmatch", {"algorithm": "defixmatch", **own, "p_cutoff": 0.15}),
        *[(name, {"algorithm": name, **own}) for name in MEANS if name != "defixmatch"],
    ]


def _assert_equal(found: dict[str, tuple[float, str, float]], cases: list[tuple[str, Any]]) -> None:
    """Equal, and not because nothing happened: some unlabelled image is selected."""
    assert found.keys() == {name for name, _ in cases}
    assert all(used > 0 for _, _, used in found.values()), found
    off = {name: gap for name, gap in found.items() if gap[0] > 1e-10}
    assert not off, off


def of_all_parts() -> list[tuple[str, dict[str, Any]]]:
    """Every base with all extensions that it can carry at once."""
    joint: dict[str, Any] = {}
    for part in PARTS.values():
        joint |= {k: v for k, v in part.items() if k != "extensions"}
    smooth = {"smooth_weight", "lambda_phi"}
    found = []
    for base in BASES:
        left = set(PARTS) - {"none"} - (set() if BASES[base].has_threshold else smooth)
        own = {
            k: v for k, v in joint.items() if k not in smooth - left or BASES[base].has_threshold
        }
        found.append((base, of_base(base, **own, extensions=sorted(left))))
    return found


def test_two_processes_take_the_steps_of_one_on_every_base_with_all_extensions(
    tmp_path: Path,
) -> None:
    cases = of_all_parts()
    _assert_equal(in_processes(2, compared, str(tmp_path), cases)[0], cases)


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("base", BASES)
def test_processes_take_the_steps_of_one_on_every_base_with_every_extension(
    tmp_path: Path, base: str, size: int
) -> None:
    cases = products(base)
    _assert_equal(in_processes(size, compared, str(tmp_path), cases)[0], cases)


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 4])
def test_processes_take_the_steps_of_one_in_every_other_way(tmp_path: Path, size: int) -> None:
    cases = every_variant()
    _assert_equal(in_processes(size, compared, str(tmp_path), cases)[0], cases)


def test_two_processes_take_the_steps_of_one_in_other_ways(tmp_path: Path) -> None:
    cases = variants()
    _assert_equal(in_processes(2, compared, str(tmp_path), cases)[0], cases)


def test_four_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    cases = [case for case in of_all_parts() if case[0] in ("freematch", "flexmatch")]
    _assert_equal(in_processes(4, compared, str(tmp_path), cases)[0], cases)


def twenty_steps(folder: str, changed: dict[str, Any]) -> tuple[float, str]:
    """The gap after twenty steps, in double precision."""
    return compared(folder, [("twenty", changed)], steps=20)["twenty"][:2]


@pytest.mark.slow
def test_two_processes_stay_with_one_for_twenty_steps(tmp_path: Path) -> None:
    """Rounding grows from step to step; another step would be off by more than 1e-4 in the first."""
    changed = {"algorithm": "layermatch", **SMALL, "num_train_iter": 300}
    off, where = in_processes(2, twenty_steps, str(tmp_path), changed)[0]
    assert off < 1e-8, where


def calibrated(folder: str, changed: dict[str, Any]) -> tuple[float, float]:
    """The smooth loss's weight as all processes measure it, and as one does alone; in double precision."""
    make_fast()
    single = train.built
    train.built = lambda *given, **named: double(single(*given, **named))  # type: ignore[assignment]
    together, place = Path(folder) / "together", Path(folder) / f"alone{world().rank}"
    ratio = built(together, **changed).args.ulb_loss_ratio
    with entered(ALONE):
        return ratio, built(place, **changed).args.ulb_loss_ratio


@pytest.mark.parametrize("size", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_the_weight_of_the_smooth_loss_is_measured_on_the_whole_batch(
    tmp_path: Path, size: int
) -> None:
    """It is told in four digits."""
    changed = of_base("fixmatch", extensions=["smooth_weight"], ulb_loss_ratio="calibrate")
    found = in_processes(size, calibrated, str(tmp_path), {**changed, "calibration_iter": 3})
    ratios = {ratio for ratio, _ in found}
    assert len(ratios) == 1 and ratios != {1.0}
    assert ratios.pop() == pytest.approx(found[0][1], rel=3e-4)


def whole_run(folder: str, stop_after: int | None, changed: dict[str, Any]) -> Any:
    """A run to its end, or stopped; the result of the first process."""
    found = run(Path(folder), stop_after, **changed)
    return None if found is None else found.top1_last


def stopped_run(folder: str, changed: dict[str, Any]) -> int:
    """The exit code of a run that one of its processes was asked to stop."""
    if os.environ["RANK"] == "1":
        from usb_ext.engine.loop import Loop

        original = Loop._end_epoch

        def end_epoch(self: Any) -> None:
            original(self)
            if self.it == 2:
                os.kill(os.getpid(), signal.SIGTERM)

        Loop._end_epoch = end_epoch  # type: ignore[method-assign]
    try:
        run(Path(folder), **changed)
    except (UsbExtError, Interrupted) as error:
        return error.exit_code
    return 0


RUN: dict[str, Any] = {"algorithm": "layermatch", **SIX, "batch_size": 6, "num_val": 20}


def test_a_run_stopped_on_two_goes_on_on_two_bit_for_bit_and_on_one_to_rounding(
    tmp_path: Path,
) -> None:
    whole, again, alone = (tmp_path / name for name in ("whole", "again", "alone"))
    tops = in_processes(2, whole_run, str(whole), None, RUN, join=False)
    codes = in_processes(2, stopped_run, str(again), RUN, join=False)
    assert codes == [143, 143] and checkpoint_of(again)["it"] == 2
    in_processes(2, stopped_run, str(alone), RUN, join=False)
    resumed = {**RUN, "resume": True}
    in_processes(2, whole_run, str(again), None, resumed, join=False)
    run(alone, **resumed)
    kept, bits, near = (checkpoint_of(folder) for folder in (whole, again, alone))
    assert tops[0] is not None and metrics_of(whole) == metrics_of(again)
    for part in ("model", "ema_model"):
        for name, value in kept[part].items():
            assert torch.equal(value, bits[part][name]), name
            torch.testing.assert_close(value, near[part][name], rtol=1e-3, atol=1e-4)
    assert sorted(os.listdir(whole / "run")) == sorted(os.listdir(again / "run"))


def in_double(act: Callable[..., Any], *words: Any) -> Any:
    """What an act of this file gives where runs are in double precision."""
    single = train.built

    def doubled(*given: Any, **named: Any) -> Any:
        algorithm = single(*given, **named)
        for network in (algorithm.model, algorithm.ema_model):
            network.double()
            network.register_forward_pre_hook(lambda _, given: (given[0].double(),))
        return algorithm

    train.built = doubled
    return act(*words)


@pytest.mark.slow
@pytest.mark.parametrize("later", [2, 1])
def test_a_run_stopped_on_four_goes_on_on_fewer_to_rounding(tmp_path: Path, later: int) -> None:
    """Beside the same run on one process that was not stopped, in double precision."""
    alone, cut = tmp_path / "alone", tmp_path / "cut"
    in_processes(1, in_double, whole_run, str(alone), None, RUN, join=False)
    codes = in_processes(4, in_double, stopped_run, str(cut), RUN, join=False)
    assert codes == [143] * 4 and checkpoint_of(cut)["it"] == 2
    resumed = {**RUN, "resume": True}
    in_processes(later, in_double, whole_run, str(cut), None, resumed, join=False)
    kept, near = checkpoint_of(alone), checkpoint_of(cut)
    assert near["it"] == kept["it"]
    for part in ("model", "ema_model"):
        for name, value in kept[part].items():
            torch.testing.assert_close(value, near[part][name], rtol=1e-8, atol=1e-8)
    steps = [[row["it"] for row in metrics_of(folder)] for folder in (alone, cut)]
    assert steps[0] == steps[1]


@pytest.mark.slow
def test_three_hundred_steps_on_two_processes_end(tmp_path: Path) -> None:
    """The first rows of the log are those of one process to rounding, and both have learned something."""
    given = {**RUN, "num_train_iter": 300, "num_eval_iter": 100, "epoch": 1}
    tops = in_processes(2, whole_run, str(tmp_path / "two"), None, given, join=False)
    alone = run(tmp_path / "one", **given)
    assert alone is not None and tops[0] == tops[1]
    rows, single = metrics_of(tmp_path / "two"), metrics_of(tmp_path / "one")
    assert [row["it"] for row in rows] == [row["it"] for row in single] == list(range(1, 301))
    for ours, theirs in zip(rows[:3], single[:3], strict=True):
        assert ours["train/total_loss"] == pytest.approx(theirs["train/total_loss"], rel=1e-3)
    assert tops[0] > 0.3 and alone.top1_last > 0.3


OWN_ROWS: dict[str, Any] = {**RUN, "sync_bn": False}


def test_a_run_keeps_on_how_many_processes_each_normalised_its_own_rows(tmp_path: Path) -> None:
    """It goes on on one, which is said: with `sync_bn: false` that is another method."""
    in_processes(2, stopped_run, str(tmp_path), OWN_ROWS, join=False)
    assert checkpoint_of(tmp_path)["usb_ext"]["algorithm"]["bn_processes"] == [2]
    with pytest.raises(SettingsError, match="other settings: sync_bn .False then, True now"):
        run(tmp_path, **RUN, resume=True)
    found = run(tmp_path, **OWN_ROWS, resume=True)
    assert found is not None and found.bn_processes == [2, 1]
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "normalises: 2 before, 1 from here" in log
    devices = [line for line in log.splitlines() if "device   " in line]
    assert [line.endswith(", 2 processes") for line in devices] == [True, False]


def in_blocks(self: Any, x: torch.Tensor) -> torch.Tensor:
    """Batch norm over the rows that each of two processes has, in one; running statistics of the first's."""
    n, out = 5, torch.empty_like(x)
    parts = [range(n), range(n, 3 * n), range(3 * n, 5 * n)]  # labelled, weak, strong
    first = [row for rows, size in zip(parts, (3, n, n), strict=True) for row in rows[:size]]
    second = [row for row in range(5 * n) if row not in first]
    before = self.running_mean, self.running_var
    for rows in (second, first):
        running = [buffer.clone() for buffer in before]
        own = F.batch_norm(x[rows], *running, self.weight, self.bias, True, self.momentum, self.eps)
        out = out.index_copy(0, torch.tensor(rows), own)
    for buffer, value in zip(before, running, strict=True):
        buffer.copy_(value)
    self.num_batches_tracked += 1
    return out


def own_rows(folder: str, changed: dict[str, Any]) -> tuple[float, str]:
    """The gap between steps of two processes that normalise their own rows and one that does so in blocks."""
    make_fast()
    shared = stepped(Path(folder) / "shared", 2, **changed, sync_bn=False)
    torch.nn.BatchNorm2d.forward = in_blocks  # type: ignore[method-assign]
    place = Path(folder) / f"alone{world().rank}"
    with entered(ALONE):
        return gap(stepped(place, 2, **changed), shared)


def test_without_sync_bn_each_process_normalises_its_own_rows(tmp_path: Path) -> None:
    changed = of_base("freematch", weak_no_grad="never", selected_only="never")
    for off, where in in_processes(2, own_rows, str(tmp_path), changed):
        assert off < 1e-10, where


def dies(folder: str, changed: dict[str, Any]) -> tuple[int, bool]:
    """Exit code of the process that is left, and whether it speaks, where the other is killed in a step."""
    from usb_ext.engine.loop import Loop

    original = Loop._end_epoch

    def end_epoch(self: Any) -> None:
        original(self)
        if self.it == 4 and world().rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    Loop._end_epoch = end_epoch  # type: ignore[method-assign]
    try:
        run(Path(folder), **changed)
    except (UsbExtError, Interrupted) as error:
        return error.exit_code, not isinstance(error, ToldElsewhere)
    return 0, False


def test_a_process_that_is_killed_ends_the_run_and_leaves_the_checkpoint(tmp_path: Path) -> None:
    processes = started(2, dies, str(tmp_path), RUN, join=False)
    assert results(processes[:1]) == [(1, True)]
    processes[1][0].join(10)
    assert processes[1][0].exitcode == -signal.SIGKILL
    assert checkpoint_of(tmp_path)["it"] == 3
    assert run(tmp_path, **{**RUN, "resume": True}) is not None


def refused(folder: str, of_rank: list[dict[str, Any]]) -> tuple[str, int, bool]:
    """What a process is refused for, its exit code, and whether it says so."""
    try:
        run(Path(folder), **of_rank[int(os.environ["RANK"])])
    except (UsbExtError, Interrupted) as error:
        return str(error.__cause__ or error), error.exit_code, not isinstance(error, ToldElsewhere)
    return "", 0, False


@pytest.mark.parametrize(
    ("of_rank", "words", "code"),
    [
        ([RUN, {**RUN, "lr": 0.5}], "have other settings: lr", 2),
        ([RUN, OWN_ROWS], "have other settings: sync_bn", 2),
        ([RUN, {**RUN, "num_save_iter": 2}], "have other settings: num_save_iter", 2),
        ([{**RUN, "batch_size": 1}] * 2, "batch_size is 1, the batch of all processes", 2),
        ([{**RUN, "lr": 1e30}] * 2, "is not finite", 1),
    ],
    ids=["settings", "batch norm", "when it is saved", "batch", "loss"],
)
def test_an_error_is_told_by_one_process(
    tmp_path: Path, of_rank: list[dict[str, Any]], words: str, code: int
) -> None:
    found = in_processes(2, refused, str(tmp_path), of_rank, join=False)
    assert [each[1] for each in found] == [code, code]
    assert sum(each[2] for each in found) == 1
    assert all(words in text for text, _, _ in found)


def of_other_code(folder: str) -> tuple[str, int, bool]:
    """A process whose code is another than that of the others."""
    module._code = lambda: f"usb_ext of process {os.environ['RANK']}"
    return refused(folder, [RUN, RUN])


def test_processes_of_other_code_are_refused(tmp_path: Path) -> None:
    found = in_processes(2, of_other_code, str(tmp_path), join=False)
    assert sum(says for _, _, says in found) == 1 and not list(tmp_path.iterdir())
    for text, code, _ in found:
        assert code == 2 and "0 and 1 run other code: usb_ext of process 0 and usb_ext of" in text


def first_of_two(folder: str, port: int) -> tuple[str, int, bool]:
    """The first process, which is to listen on a port."""
    os.environ.update(variables(0, 2, port))
    try:
        run(Path(folder), **RUN, meet_seconds=2)
    except UsbExtError as error:
        return str(error), error.exit_code, not isinstance(error, ToldElsewhere)
    return "", 0, False


def test_a_port_that_is_in_use_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text, code, says = in_processes(1, first_of_two, str(tmp_path), port, join=False)[0]
    assert code == 1 and says and not list(tmp_path.iterdir())
    assert f"port: {port}" in text and "address already in use" in text, text
    assert text.endswith("start all of them, with the same address and a port that is free")


def missing(folder: str) -> tuple[str, int, bool]:
    """A process whose only other one does not come."""
    os.environ["WORLD_SIZE"] = "2"
    return refused(folder, [{**RUN, "meet_seconds": 1}])


def test_processes_that_do_not_come_are_waited_for_so_long(tmp_path: Path) -> None:
    text, code, says = in_processes(1, missing, str(tmp_path), join=False)[0]
    assert "waiting for clients" in text
    assert code == 1 and says and not list(tmp_path.iterdir())


def test_machines_are_not_met_where_nothing_was_started(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="world_size is 2, but nothing has started"):
        run(tmp_path, **RUN, world_size=2)
    assert not list(tmp_path.iterdir())


def test_the_place_of_a_process() -> None:
    assert place_of(variables(1, 3, 5000)) == Place(1, 3, 1)
    for alone in ({}, {"WORLD_SIZE": "1"}, {"WORLD_SIZE": ""}, {"WORLD_SIZE": "many"}):
        assert place_of(alone) is None
        check_alone(alone, "it")
    with pytest.raises(
        SettingsError, match="WORLD_SIZE is 2 .* but not RANK, MASTER_ADDR, MASTER_PORT"
    ):
        place_of({"WORLD_SIZE": " 2"})
    with pytest.raises(SettingsError, match="RANK is '3'"):
        place_of(variables(3, 3, 5000))
    with pytest.raises(SettingsError, match="WORLD_SIZE is 2 .* but it is done by one process"):
        check_alone(variables(0, 2, 5000), "it")
