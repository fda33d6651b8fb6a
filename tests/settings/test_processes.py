"""Which runs several processes are refused, each in a sentence with what was found."""

from typing import Any

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings import Settings
from usb_ext.settings.algorithms import BASES
from usb_ext.settings.processes import MEANS, ROWS_MEET, refuse_several
from usb_ext.upstream.usb import ALGORITHMS

DIGITS = {"dataset": "digits", "num_classes": 10, "num_labels": 10, "batch_size": 8}


def given(**changed: Any) -> Settings:
    return Settings.model_validate({**DIGITS, **changed})


@pytest.mark.parametrize("name", sorted(BASES))
def test_every_base_may_be_shared_also_unevenly(name: str) -> None:
    refuse_several(given(algorithm=name), 3)


@pytest.mark.parametrize("name", sorted(ROWS_MEET))
def test_algorithms_whose_rows_meet_are_refused(name: str) -> None:
    refuse_several(given(algorithm=name), 1)
    with pytest.raises(SettingsError, match=f"algorithm {name} cannot be shared"):
        refuse_several(given(algorithm=name), 2)


def test_every_algorithm_of_usb_is_shared_or_refused_by_name() -> None:
    own = {n for n in ALGORITHMS.keys() if ALGORITHMS[n].__module__.startswith("semilearn")}
    assert own - set(BASES) == {*MEANS, *ROWS_MEET}


@pytest.mark.parametrize(
    ("changed", "size", "words"),
    [
        ({"algorithm": "pimodel"}, 3, "batch_size is 8, which 3 processes do not divide"),
        ({"algorithm": "fixmatch"}, 9, "batch_size is 8, the batch of all processes together"),
        ({"algorithm": "fixmatch", "step": "usb"}, 2, "use step: ours"),
        ({"algorithm": "fixmatch", "imb_algorithm": "abc"}, 2, "imb_algorithm abc"),
        ({"algorithm": "fixmatch", "device": "cuda:1"}, 2, "device is cuda:1"),
        (
            {
                "algorithm": "fixmatch", "extensions": ["influence"], "num_val": 10,
                "influence_val_batch": 1, "influence_every": 5,
            },
            2, "influence_val_batch is 1",
        ),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_what_cannot_be_shared_is_refused(changed: dict[str, Any], size: int, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        refuse_several(given(**changed), size)
