"""State of algorithms and hooks as plain values: what is saved, and what comes back."""

import io
from collections import OrderedDict, defaultdict, deque
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from usb_ext.engine.state import (
    ALGORITHM_SKIP,
    NotPlain,
    changed_fields,
    plain,
    plain_fields,
    restore_fields,
    same,
)
from usb_ext.upstream.usb import FreeMatchThresholdingHook

CPU = torch.device("cpu")


def record(classes: int = 3) -> Any:
    """An object of one of USB's own classes, which keeps numbers and tensors as attributes."""
    made = FreeMatchThresholdingHook(classes, momentum=0.9)
    assert type(made).__module__.startswith("semilearn.")
    return made


def through_a_file(value: Any) -> Any:
    """Saved and loaded the way checkpoints are."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def saved(owner: Any, baseline: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = through_a_file(changed_fields(owner, baseline))
    return fields


VALUES: dict[str, tuple[Any, Any]] = {
    "number": (1, 2),
    "text": ("a", "b"),
    "none": (None, 0.5),
    "flag": (False, True),
    "tensor": (torch.zeros(2, 2), torch.tensor([[1.0, -2.0], [float("inf"), 1e-45]])),
    "bfloat16": (torch.zeros(1).bfloat16(), torch.full((3,), 0.1).bfloat16()),
    "bool_tensor": (torch.tensor([True]), torch.tensor([False, True])),
    "scalar_tensor": (torch.tensor(0), torch.tensor(9)),
    "list": ([1], [1, [2.5, "x"], torch.ones(2)]),
    "tuple": ((1,), (1, (torch.ones(1), None))),
    "int_keys": ({0: {1: torch.zeros(2)}}, {0: {1: torch.ones(2), 7: [3]}, -1: {}}),
    "array": (np.zeros(3), np.arange(6.0).reshape(2, 3)[:, ::-1]),
    "int_array": (np.zeros(2, np.uint8), np.array([255, 7], np.uint8)),
    "empty": ([1], []),
}


def equal(left: Any, right: Any) -> bool:
    """An own comparison: types, shapes, dtypes and values."""
    if type(left) is not type(right):
        return False
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and left.tolist() == right.tolist()
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and left.tolist() == right.tolist()
    if isinstance(left, dict):
        return list(left) == list(right) and all(equal(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple | deque):
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)


@pytest.mark.parametrize("name", VALUES)
def test_a_changed_value_comes_back_as_it_was(name: str) -> None:
    before, after = VALUES[name]
    owner = SimpleNamespace(value=before, untouched=[before])
    baseline = plain_fields(owner)
    owner.value = after
    fields = saved(owner, baseline)
    assert list(fields) == ["value"]
    fresh = SimpleNamespace(value=before, untouched=[before])
    restore_fields(fresh, fields, CPU)
    assert equal(fresh.value, after)


@pytest.mark.parametrize("name", VALUES)
def test_a_value_changed_in_place_is_seen(name: str) -> None:
    value = {"k": [VALUES[name][0]]}
    owner = SimpleNamespace(value=value)
    baseline = plain_fields(owner)
    assert changed_fields(owner, baseline) == {}
    value["k"][0] = VALUES[name][1]
    assert list(changed_fields(owner, baseline)) == ["value"]


def test_numpy_numbers_become_pythons() -> None:
    got = plain([np.float64(0.1), np.int64(3), np.bool_(True), np.str_("x")])
    assert got == [0.1, 3, True, "x"]
    assert [type(v) for v in got] == [float, int, bool, str]


def test_what_is_saved_is_a_copy() -> None:
    tensor, numbers, array = torch.zeros(2), [1], np.zeros(2)
    owner = SimpleNamespace(tensor=tensor, nested={"a": (numbers, tensor)}, array=array)
    fields = plain_fields(owner)
    tensor += 1
    numbers.append(2)
    array += 1
    assert fields["tensor"].tolist() == [0, 0]
    assert fields["nested"]["a"][0] == [1] and fields["nested"]["a"][1].tolist() == [0, 0]
    assert fields["array"]["__numpy__"].tolist() == [0, 0]


def test_a_tensor_of_a_graph_is_saved_without_it() -> None:
    leaf = torch.ones(2, requires_grad=True)
    assert not plain(leaf * 2).requires_grad


def test_a_queue_keeps_its_length_limit() -> None:
    owner = SimpleNamespace(queue=deque([1.0], maxlen=2))
    baseline = plain_fields(owner)
    owner.queue.extend([2.0, 3.0])
    fresh = SimpleNamespace(queue=deque([1.0], maxlen=2))
    restore_fields(fresh, saved(owner, baseline), CPU)
    assert fresh.queue == deque([2.0, 3.0]) and fresh.queue.maxlen == 2
    fresh.queue.append(4.0)
    assert list(fresh.queue) == [3.0, 4.0]


def test_an_object_of_usb_is_restored_in_place() -> None:
    owner = SimpleNamespace(queue=record())
    baseline = plain_fields(owner)
    assert changed_fields(owner, baseline) == {}
    owner.queue.p_model = torch.tensor([0.5, 0.25, 0.25])
    owner.queue.time_p = torch.tensor(0.75)
    fresh = SimpleNamespace(queue=record())
    place = fresh.queue
    restore_fields(fresh, saved(owner, baseline), CPU)
    assert fresh.queue is place
    assert place.p_model.tolist() == [0.5, 0.25, 0.25]
    assert place.time_p.item() == 0.75
    assert place.m == owner.queue.m


@pytest.mark.parametrize("kind", [list, tuple, deque])
def test_objects_in_containers_are_restored_in_place(kind: Any) -> None:
    owner = SimpleNamespace(parts=kind([record(), record()]), by_name={"a": record()})
    baseline = plain_fields(owner)
    owner.parts[1].time_p = torch.tensor(0.75)
    owner.by_name["a"].time_p = torch.tensor(0.25)
    fresh = SimpleNamespace(parts=kind([record(), record()]), by_name={"a": record()})
    restore_fields(fresh, saved(owner, baseline), CPU)
    assert type(fresh.parts) is kind
    assert fresh.parts[1].time_p.item() == 0.75
    assert fresh.parts[0].time_p.item() == record().time_p.item()
    assert fresh.by_name["a"].time_p.item() == 0.25


def trained(steps: int, optimizer: Any, weight: nn.Parameter) -> None:
    for step in range(steps):
        optimizer.zero_grad()
        (weight * (step + 1)).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("in_list", [False, True])
def test_an_optimizer_goes_on_where_it_was(in_list: bool) -> None:
    def owner_of(weight: nn.Parameter) -> Any:
        optimizer = torch.optim.Adam([weight], lr=0.1)
        return SimpleNamespace(second=[optimizer] if in_list else optimizer)

    def optimizer_of(owner: Any) -> Any:
        return owner.second[0] if in_list else owner.second

    weight = nn.Parameter(torch.ones(3))
    owner = owner_of(weight)
    baseline = plain_fields(owner)
    trained(3, optimizer_of(owner), weight)
    other = nn.Parameter(weight.detach().clone())
    fresh = owner_of(other)
    restore_fields(fresh, saved(owner, baseline), CPU)
    assert optimizer_of(fresh).state[other]["step"].item() == 3
    for which, parameter in ((owner, weight), (fresh, other)):
        trained(2, optimizer_of(which), parameter)
    assert torch.equal(weight, other)


@pytest.mark.parametrize(
    "value",
    [
        nn.Linear(1, 1),
        nn.Parameter(torch.zeros(1)),
        print,
        object(),
        np.array([object()]),
        np.array(["text"]),
        {"a": [print]},
        CPU,
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_is_no_state_is_left_out(value: Any) -> None:
    with pytest.raises(NotPlain):
        plain(value)
    owner = SimpleNamespace(odd=value, number=3)
    assert plain_fields(owner) == {"number": 3}
    assert changed_fields(owner, {"number": 3}) == {}


def test_settings_that_never_change_are_not_saved_and_stay_those_of_the_new_run() -> None:
    owner = SimpleNamespace(lambda_u=1.0, num_log_iter=10, counter=0)
    baseline = plain_fields(owner)
    owner.counter = 5
    owner.made_later = torch.ones(1)
    fields = saved(owner, baseline)
    assert sorted(fields) == ["counter", "made_later"]
    fresh = SimpleNamespace(lambda_u=1.0, num_log_iter=99, counter=0)
    restore_fields(fresh, fields, CPU)
    assert (fresh.num_log_iter, fresh.counter) == (99, 5)
    assert fresh.made_later.item() == 1.0


def test_names_to_skip_are_skipped() -> None:
    owner = SimpleNamespace(args=1, it=2)
    assert plain_fields(owner, ALGORITHM_SKIP) == {"it": 2}
    assert changed_fields(owner, {}, frozenset({"it"})) == {"args": 1}


def test_tensors_go_where_the_attribute_was_and_else_to_the_device() -> None:
    owner = SimpleNamespace(here=torch.zeros(2))
    fields = {"here": torch.ones(2), "new": torch.ones(2), "listed": [torch.ones(2)]}
    restore_fields(owner, fields, torch.device("meta"))
    assert owner.here.device.type == "cpu"
    assert owner.new.device.type == "meta"
    assert owner.listed[0].device.type == "cpu"  # in a container a tensor of the host stays there


class OnDevice(torch.Tensor):
    """A tensor that says it is on an accelerator, for machines that have none."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return torch.device("cuda", 0)

    def detach(self) -> torch.Tensor:
        return self.as_subclass(torch.Tensor).detach()


def test_tensors_of_a_device_go_to_the_device_of_the_new_run() -> None:
    on_device = torch.ones(2).as_subclass(OnDevice)
    fields = through_a_file(plain_fields(SimpleNamespace(new=on_device, listed=[{0: on_device}])))
    owner = SimpleNamespace()
    restore_fields(owner, fields, torch.device("meta"))
    assert owner.new.device.type == "meta"
    assert owner.listed[0][0].device.type == "meta"


def test_an_optimizer_saved_on_a_device_is_restored() -> None:
    weight = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weight], lr=0.1)
    trained(2, optimizer, weight)
    moments = optimizer.state[weight]["exp_avg"].clone()
    optimizer.state[weight]["exp_avg"] = moments.as_subclass(OnDevice)
    fields = through_a_file(plain_fields(SimpleNamespace(second=optimizer)))
    fresh = SimpleNamespace(second=torch.optim.Adam([weight], lr=0.1))
    restore_fields(fresh, fields, CPU)
    assert torch.equal(fresh.second.state[weight]["exp_avg"], moments)


@pytest.mark.parametrize(
    ("left", "right", "alike"),
    [
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0]), True),
        (torch.tensor([1.0]), torch.tensor([1.0]).double(), False),
        (torch.tensor([1.0]), torch.tensor([[1.0]]), False),
        (torch.tensor([1.0]), torch.tensor([1.0 + 2**-23]), False),
        (torch.tensor([0.0]), torch.tensor([-0.0]), False),
        (torch.tensor(float("nan")), torch.tensor(float("nan")), True),
        (torch.zeros(0), torch.zeros(0), True),
        (torch.eye(2).T, torch.eye(2), True),
        (torch.tensor([True, False]), torch.tensor([True, True]), False),
        (torch.tensor(1.0), 1.0, False),
        (1, 1.0, False),
        (1, True, False),
        ([1, 2], (1, 2), False),
        ([1, 2], [1, 2, 3], False),
        ({"a": [torch.ones(1)]}, {"a": [torch.ones(1)]}, True),
        ({"a": [torch.ones(1)]}, {"a": [torch.zeros(1)]}, False),
        ({"a": 1}, {"b": 1}, False),
        ({}, {}, True),
    ],
)
def test_equality_is_of_types_and_bits(left: Any, right: Any, alike: bool) -> None:
    assert same(left, right) is alike
    assert same(right, left) is alike


def test_an_ordered_dict_is_a_dict() -> None:
    assert plain(OrderedDict(b=1, a=2)) == {"b": 1, "a": 2}


def test_a_dict_keeps_its_kind_and_loses_keys_that_were_not_saved() -> None:
    owner = SimpleNamespace(counts=defaultdict(int, {"a": 1}))
    baseline = plain_fields(owner)
    owner.counts["b"] += 5
    del owner.counts["a"]
    fresh = SimpleNamespace(counts=defaultdict(int, {"a": 1, "c": 2}))
    restore_fields(fresh, saved(owner, baseline), CPU)
    assert fresh.counts == {"b": 5}
    fresh.counts["d"] += 1
    assert fresh.counts["d"] == 1
