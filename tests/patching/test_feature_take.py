"""Definitions of ours as text for USB: what is copied, what is left out, what is refused."""

import types

import pytest

from usb_ext.core.errors import RunFailed
from usb_ext.patching.feature import Source, put_together

FIRST = '''"""A constant and two functions.

More words.
"""

import math
from collections.abc import Sequence

from usb_ext.core.errors import SettingsError
from usb_ext.core.other import helper

LIMIT = 3
"""What no number may pass."""


def area(radius: float) -> float:
    """pi r^2."""
    if radius > LIMIT:
        raise SettingsError("too wide")
    return math.pi * radius**2


def pairs(one: Sequence[int], two: Sequence[int]) -> list[tuple[int, int]]:
    """Both at once."""
    return list(zip(one, two, strict=True))  # type: ignore[misc]


def needs_helper() -> int:
    """A name from another module of ours."""
    return helper()
'''


def loaded(text: str) -> types.ModuleType:
    module = types.ModuleType("made")
    exec(text, vars(module))
    return module


def test_chosen_definitions_work_in_their_new_module() -> None:
    source = Source("core/first.py", FIRST, ("LIMIT", "area", "pairs"))
    text = put_together([source], replace={"SettingsError": "ValueError"})
    made = loaded(text)
    assert made.LIMIT == 3 and made.area(2) == pytest.approx(12.566370614)
    assert made.pairs([1, 2], [3, 4]) == [(1, 3), (2, 4)]
    with pytest.raises(ValueError, match="too wide"):
        made.area(4)
    assert not hasattr(made, "needs_helper")


def test_words_stay_and_what_is_ours_alone_goes() -> None:
    source = Source("core/first.py", FIRST, ("LIMIT", "area", "pairs"))
    text = put_together([source], replace={"SettingsError": "ValueError"})
    assert "# More words." in text and "usb_ext" not in text
    assert '"""What no number may pass."""' in text
    for ours in ("from usb_ext", "import usb_ext", "type: ignore", "strict=", "SettingsError"):
        assert ours not in text


def test_imports_are_merged_and_only_those_that_are_used() -> None:
    other = "import math\nimport os\n\n\ndef e() -> float:\n    return math.e\n"
    text = put_together([Source("a.py", FIRST, ("LIMIT",)), Source("b.py", other)])
    assert text.count("import math") == 1
    assert "import os" not in text and "Sequence" not in text


def test_a_definition_of_another_module_of_ours_counts_as_there() -> None:
    helper = "def helper() -> int:\n    return 7\n"
    text = put_together([Source("h.py", helper), Source("f.py", FIRST, ("needs_helper",))])
    assert loaded(text).needs_helper() == 7


def test_a_name_that_would_be_missing_is_refused() -> None:
    with pytest.raises(RunFailed, match="helper is used .* take it too"):
        put_together([Source("f.py", FIRST, ("needs_helper",))])


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(RunFailed, match="f.py defines no volume"):
        put_together([Source("f.py", FIRST, ("volume",))])
