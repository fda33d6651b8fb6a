"""The base model: strict, closed, frozen; texts for None; the ranges of the kinds of numbers."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from usb_ext.settings import Settings, kinds
from usb_ext.settings.group import SettingsGroup


class Sample(SettingsGroup):
    """One setting of each kind of type."""

    count: int = 1
    rate: float = 0.5
    flag: bool = False
    name: str = "x"
    maybe: float | None = 1.0
    path: str | None = None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", "abc"),
        ("count", "3"),
        ("count", 1.5),
        ("count", 2.0),
        ("count", True),
        ("rate", "0.1"),
        ("rate", True),
        ("rate", float("nan")),
        ("rate", float("inf")),
        ("flag", "True"),
        ("flag", "yes"),
        ("flag", 1),
        ("name", 7),
        ("name", None),
        ("maybe", "none at all"),
        ("path", 3),
    ],
)
def test_wrong_types_are_rejected(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate({name: value})


def test_an_int_is_accepted_for_a_float_and_becomes_one() -> None:
    rate = Sample(rate=2).rate
    assert rate == 2.0
    assert type(rate) is float


@pytest.mark.parametrize("text", ["None", ""])
def test_texts_for_none_become_none_where_none_is_a_value(text: str) -> None:
    sample = Sample.model_validate({"maybe": text, "path": text})
    assert sample.maybe is None
    assert sample.path is None


def test_texts_for_none_stay_text_where_none_is_no_value() -> None:
    assert Sample.model_validate({"name": "None"}).name == "None"
    with pytest.raises(ValidationError):
        Sample.model_validate({"count": "None"})


def test_without_blanks_keeps_unknown_names_and_other_values() -> None:
    raw = {"maybe": "None", "other": "None", "count": 3}
    assert Sample.without_blanks(raw) == {"maybe": None, "other": "None", "count": 3}


def test_a_model_is_closed() -> None:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate({"counts": 1})
    assert caught.value.errors()[0]["type"] == "extra_forbidden"


def test_a_model_is_frozen() -> None:
    sample = Sample()
    with pytest.raises(ValidationError):
        sample.count = 2


def test_something_that_is_no_mapping_is_rejected() -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate([1, 2])


@pytest.mark.parametrize("name", ["gpu", "ulb_num_labels", "imb_algorithm", "load_path", "T"])
def test_usb_texts_for_none(name: str) -> None:
    assert getattr(Settings.model_validate({name: "None"}), name) is None


@pytest.mark.parametrize(
    ("kind", "inside", "outside"),
    [
        (kinds.Count, [1, 10**9], [0, -1]),
        (kinds.Whole, [0, 3], [-1]),
        (kinds.Seed, [0, 2**32 - 1], [-1, 2**32]),
        (kinds.Share, [0.0, 0.5, 1.0], [-1e-9, 1.0 + 1e-9]),
        (kinds.Decay, [0.0, 0.999999], [1.0, -0.1]),
        (kinds.Ratio, [1e-6, 1.0], [0.0, 1.1]),
        (kinds.Positive, [1e-12, 6], [0, 0.0, -1.0]),
        (kinds.NonNegative, [0, 0.0, 100], [-1e-12]),
        (kinds.Text, ["a"], [""]),
        (kinds.Scalar, [True, 0, 0.5, "x"], [[1], {"a": 1}]),
    ],
)
def test_ranges_of_the_kinds(kind: Any, inside: list[object], outside: list[object]) -> None:
    check = TypeAdapter(kind)
    for value in inside:
        assert check.validate_python(value, strict=True) == value
    for value in outside:
        with pytest.raises(ValidationError):
            check.validate_python(value, strict=True)
