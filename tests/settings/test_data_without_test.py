"""A data set without a test split: what cannot go with it."""

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings import config_sha256, load_settings

GIVEN = {"dataset": "imagefolder", "algorithm": "flexmatch", "without_test": True}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"dataset": "cifar10"}, "dataset is cifar10, which has a test split"),
        ({"algorithm": "dash"}, "use another base, such as flexmatch"),
        ({"algorithm": "weak_strong", "base": "dash"}, "use another base, such as flexmatch"),
        ({"consistency_features": "f.npz"}, "consistency_features is logged at evaluations"),
    ],
)
def test_what_needs_a_test_split_is_refused(changed: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_settings({**GIVEN, **changed})


def test_it_does_not_change_what_a_run_gives() -> None:
    digests = [
        config_sha256(load_settings({**GIVEN, "without_test": given}).settings)
        for given in (True, False)
    ]
    assert digests[0] == digests[1]
