"""Which of USB's imbalanced algorithms work on which algorithms; USB finds out in the middle of a run.

Every pair was run for some steps; a pair that raises is refused before any work. (Removed by: "say which
algorithms an imbalanced one supports".)
"""

from usb_ext.core.errors import SettingsError
from usb_ext.upstream.usb import ALGORITHMS

ONLY = {"adsh": "fixmatch", "tras": "fixmatch"}
"""Imbalanced algorithms that USB has written for one algorithm."""

NO_FEATURES = ("comatch", "fullysupervised", "pseudolabel", "simmatch", "supervised", "vat")
"""Their steps give no features of weak and strong views, or projected ones of another size."""

SQUARED_ERROR = ("meanteacher", "mixmatch", "pimodel")
"""Their unlabelled loss compares probabilities, where some imbalanced algorithms weight classes."""

REFUSED: dict[str, tuple[str, ...]] = {
    "abc": NO_FEATURES,
    "cossl": (*NO_FEATURES, "crmatch"),  # it copies the network, and CRMatch's holds the run
    "crest": ("simmatch",),  # whose memory has one place for each image of the first generation
    "crest+": ("simmatch",),
    "darp": ("defixmatch", "fullysupervised", "supervised"),
    "daso": (*NO_FEATURES, "defixmatch"),  # which makes labels twice a step
    "debiaspl": SQUARED_ERROR,
    "saw": (*SQUARED_ERROR, "dash"),  # whose loss an example SAW's mean takes away
}


def check_pair(algorithm: str, imbalanced: str | None) -> None:
    """Refuse an imbalanced algorithm on one that it does not work on.

    Args:
        algorithm: name as registered.
        imbalanced: name as registered, or None.

    Raises:
        SettingsError: naming the algorithms that it works on.
    """
    if imbalanced is None or algorithm in supported(imbalanced):
        return
    raise SettingsError(
        f"imb_algorithm {imbalanced} does not work on algorithm {algorithm}; it does on: "
        f"{', '.join(supported(imbalanced))}"
    )


def supported(imbalanced: str) -> list[str]:
    """The registered algorithms that an imbalanced one works on, or is not known to fail on.

    Args:
        imbalanced: name as registered.
    """
    if imbalanced in ONLY:
        return [ONLY[imbalanced]]
    return sorted(set(ALGORITHMS.keys()) - set(REFUSED.get(imbalanced, ())))
