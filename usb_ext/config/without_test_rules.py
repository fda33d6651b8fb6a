"""Contradictions around a data set without a test split."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from usb_ext.settings.model import Settings


def without_test_contradictions(s: "Settings") -> Iterator[str]:
    """Only a folder of the user's may lack a test split, and nothing that is asked for may need one.

    Args:
        s: a model whose single values are already valid.
    """
    if not s.without_test:
        return
    if s.dataset != "imagefolder":
        yield (
            f"without_test is true, but dataset is {s.dataset}, which has a test split; leave it out, or "
            "use dataset: imagefolder"
        )
    if s.active_base == "dash":
        yield (
            "without_test is true, but dash sets its threshold by the loss on the test split (as in USB); "
            "use another base, such as flexmatch"
        )
    if s.consistency_features is not None:
        yield (
            "without_test is true, but consistency_features is logged at evaluations, of which there are "
            "none; leave it out"
        )
