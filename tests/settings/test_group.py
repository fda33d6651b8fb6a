"""The base model: strict, closed, frozen; texts for None."""

import pytest
from pydantic import ValidationError

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
