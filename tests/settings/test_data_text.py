"""Texts with networks, joined batches and mixing that they cannot have."""

from typing import Any

import pytest
from support.text import IMDB

from usb_ext.core.errors import SettingsError
from usb_ext.settings import load_settings


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"net": "wrn_28_2"}, "net is wrn_28_2, .*aclImdb holds texts; use net: bert_base_uncased"),
        ({"dataset": "digits"}, "net is bert_base_uncased, which reads texts, .* digits"),
        ({"use_cat": True}, "use_cat is True, .*use_cat: False"),
        ({"algorithm": "mixmatch"}, "mixup_manifold is None, .*mixup_manifold: True"),
    ],
)
def test_contradictions(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings({**IMDB, **changed})


@pytest.mark.parametrize("changed", [{}, {"algorithm": "mixmatch", "mixup_manifold": True}])
def test_what_goes_together_loads(changed: dict[str, Any]) -> None:
    assert load_settings({**IMDB, **changed}).settings.net == "bert_base_uncased"
