"""Kinds of numbers and texts: their ranges, what a declared type allows, and how that is said."""

import re
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from usb_ext.settings import Settings, differing_keys, kinds, load_settings
from usb_ext.settings.digest import PATHS
from usb_ext.settings.kinds import allowed, is_list, is_nullable, is_switch, is_text, members

Positive = Annotated[float, Field(gt=0)]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int, {int}),
        (int | None, {int, type(None)}),
        (Positive, {float}),
        (Positive | None, {float, type(None)}),
        (Literal["a", "b"], {Literal}),
        (Literal["a"] | None, {Literal, type(None)}),
        (tuple[Literal["a"], ...], {tuple}),
        (bool | int | str | None, {bool, int, str, type(None)}),
    ],
)
def test_members(annotation: object, expected: set[object]) -> None:
    assert members(annotation) == expected


def test_kinds_of_settings() -> None:
    assert is_nullable(str | None)
    assert not is_nullable(str)
    assert is_switch(bool)
    assert is_switch(bool | None)
    assert not is_switch(bool | int)
    assert is_list(tuple[str, ...])
    assert not is_list(str)
    assert is_text(str | None)
    assert not is_text(Literal["a"])
    assert not is_text(int | str)


class Sample(BaseModel):
    """Settings whose schema the phrases are made from."""

    count: Annotated[int, Field(ge=1)] = 1
    share: Annotated[float, Field(ge=0, le=1)] | None = None
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.5
    above: Annotated[float, Field(gt=0)] = 1
    free: float = 0
    flag: bool = False
    name: Annotated[str, Field(min_length=1)] = "x"
    choice: Literal["a", "b"] | None = None
    single: Literal["a"] = "a"
    several: tuple[Literal["a", "b"], ...] = ()
    loose: bool | int | float | str | None = None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("count", "a whole number of at least 1"),
        ("share", "a finite number of at least 0 and of at most 1, or None"),
        ("decay", "a finite number of at least 0 and below 1"),
        ("above", "a finite number above 0"),
        ("free", "a finite number"),
        ("flag", "True or False"),
        ("name", "text that is not empty"),
        ("choice", "one of a, b, or None"),
        ("single", "one of a"),
        ("several", "a list, each one of a, b"),
        ("loose", "True or False or a whole number or a finite number or text, or None"),
    ],
)
def test_what_is_allowed_in_words(name: str, expected: str) -> None:
    schema: dict[str, Any] = Sample.model_json_schema()["properties"][name]
    assert allowed(schema) == expected


def test_large_bounds_are_written_in_full() -> None:
    words = allowed({"type": "integer", "minimum": 0, "maximum": 4294967295})
    assert words == "a whole number of at least 0 and of at most 4294967295"


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


def test_home_is_expanded_in_every_path_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder called `~` was made in the current one; `data_dir: ~/data` was not found."""
    monkeypatch.setenv("HOME", "/home/somebody")
    named = [
        n
        for n in Settings.model_fields
        if re.search(
            r"_(dir|file|path|list|labels|features|cache)$|^features$|^plugin$|^start_from$", n
        )
    ]
    texts = [n for n in named if str in members(Settings.model_fields[n].annotation)]
    assert set(texts) == PATHS and len(texts) > 9
    apart = ("feature_file", "plugin")  # goes with its own data set only; is imported from there
    together = [n for n in texts if n not in apart]
    given = {"label_split": "file", "without_test": False, **dict.fromkeys(together, "~/there")}
    found = load_settings({"algorithm": "as3l", "dataset": "imagefolder", **given}).settings
    assert {getattr(found, name) for name in together} == {"/home/somebody/there"}
    kept = {
        "algorithm": "fixmatch",
        "dataset": "features",
        "net": "linear",
        "feature_file": "~/there",
    }
    assert load_settings(kept).settings.feature_file == "/home/somebody/there"
    assert found.run_dir.is_relative_to("/home/somebody/there")


def test_a_run_that_kept_the_sign_for_home_is_still_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    given = {"use_pretrain": True, "pretrain_path": "~/weights.pth"}
    now = load_settings(given).settings.model_dump(mode="json")
    assert differing_keys({**now, **given}, now) == {}
