"""USB's algorithms as they run on the engine: most unchanged, a few through a mended subclass.

A mended class stands in its original's place in the method resolution order. Each is removed by the
upstream patch that its docstring names.

Which of USB's imbalanced algorithms work on which algorithms; USB finds out in the middle of a run.

Every pair was run for some steps; a pair that raises is refused before any work. (Removed by: "say which
algorithms an imbalanced one supports".)

Where an algorithm leaves the network in its checkpoints, and by which classifier it predicts.
"""

from typing import Any

import torch

from usb_ext.upstream._loaded import semilearn  # noqa: F401  (imports semilearn through the bridges)
from usb_ext.upstream.shared import UnlabelledEvaluation
from usb_ext.upstream.usb_cossl import CoSSLOnEngine
from usb_ext.upstream.usb_crest import CReSTOnEngine
from usb_ext.upstream.usb_own_loops import CRMatchOnEngine, SupervisedOnEngine

# isort: split
from semilearn.algorithms.crmatch.crmatch import CRMatch
from semilearn.algorithms.fullysupervised.fullysupervised import FullySupervised
from semilearn.imb_algorithms.adsh.adsh import Adsh
from semilearn.imb_algorithms.cossl.cossl import CoSSL
from semilearn.imb_algorithms.crest.crest import CReST
from semilearn.imb_algorithms.daso.daso import DASO
from semilearn.imb_algorithms.debiaspl.debiaspl import DebiasPL
from semilearn.imb_algorithms.saw.saw import SAW

from usb_ext.core.errors import SettingsError
from usb_ext.settings import Settings
from usb_ext.settings.algorithms import served_as
from usb_ext.upstream.usb import ALGORITHMS


class AdshOnEngine(UnlabelledEvaluation, Adsh):  # type: ignore[misc]
    """Adsh, its thresholds from a seeded evaluation. (Removed by the patch of UnlabelledEvaluation.)"""


class SAWOnEngine(UnlabelledEvaluation, SAW):  # type: ignore[misc]
    """SAW, its weights from a seeded evaluation. (Removed by the patch of UnlabelledEvaluation.)"""


class DASOOnEngine(DASO):  # type: ignore[misc]
    """DASO, its hook with the method that it calls for logits (FreeMatch, SoftMatch, Dash).

    (Removed by: "DASO: probabilities from the algorithm".)
    """

    def set_hooks(self) -> None:
        """USB's hooks, the one that makes labels completed."""
        super().set_hooks()
        self.hooks_dict["PseudoLabelingHook"].compute_prob = self.compute_prob


class DebiasPLOnEngine(DebiasPL):  # type: ignore[misc]
    """DebiasPL, its running mean of predictions without the graph that made it (UDA).

    (Removed by: "DebiasPL: detach the running mean".)
    """

    p_hat: torch.Tensor

    def compute_prob(self, logits: torch.Tensor) -> torch.Tensor:
        """Adjusted probabilities (n, C) of logits (n, C)."""
        probs: torch.Tensor = super().compute_prob(logits)
        self.p_hat = self.p_hat.detach()
        return probs


MENDED: dict[type, type] = {
    FullySupervised: SupervisedOnEngine,
    CRMatch: CRMatchOnEngine,
    Adsh: AdshOnEngine,
    SAW: SAWOnEngine,
    DASO: DASOOnEngine,
    DebiasPL: DebiasPLOnEngine,
    CoSSL: CoSSLOnEngine,
    CReST: CReSTOnEngine,
}


def mended(classes: tuple[type, ...]) -> tuple[type, ...]:
    """The classes of a run, each replaced by its mended one where there is one."""
    return tuple(MENDED.get(part, part) for part in classes)


def forced_settings(classes: tuple[type, ...]) -> dict[str, Any]:
    """Settings that USB's classes overrule: CReST serves no labelled image as an unlabelled one."""
    return {"include_lb_to_ulb": False} if CReST in classes else {}


WRAPPING = ("comatch", "crmatch", "remixmatch", "simmatch")
"""Algorithms that train the network inside one of their own, as its part `backbone`."""

SECOND_HEADS: dict[str, tuple[str, str | None]] = {
    "abc": ("aux_classifier", None),
    "cossl": ("teacher_classifier", "cossl_warm_epoch"),
    "tras": ("aux_classifier", "tras_warmup_epochs"),
}
"""Imbalanced algorithms that wrap the network too and predict by a classifier of their own on its features:
its name, and the setting that says from which epoch on (None: always)."""


def wrappings(algorithm: str, imbalanced: str | None) -> int:
    """How often a run's network is the `backbone` of another one.

    Args:
        algorithm: name as registered.
        imbalanced: name as registered, or None.
    """
    return (algorithm in WRAPPING) + (imbalanced in SECOND_HEADS)


def second_head(settings: Settings, epoch: int) -> str | None:
    """Name of the classifier that predicts in the place of the network's own, or None.

    Args:
        settings: of a run.
        epoch: in which it is evaluated.
    """
    head, since = SECOND_HEADS.get(settings.imb_algorithm or "", (None, None))
    first = 0 if since is None else getattr(settings, since) or 0
    return head if epoch >= first else None


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
    "debiaspl": (*SQUARED_ERROR, "instant"),  # both put a loss of their own in FixMatch's place
    "saw": (*SQUARED_ERROR, "instant", "dash"),  # whose loss an example SAW's mean takes away
}


REFUSED_BASES: dict[str, tuple[str, ...]] = {
    "abc": ("pseudolabel",),
    "daso": ("pseudolabel",),
    "debiaspl": ("instant",),
    "saw": ("dash", "instant"),
}
"""Bases of ours for which the same holds, under whatever name they go; CoSSL does with one view."""


def check_pair(algorithm: str, imbalanced: str | None, base: str | None = None) -> None:
    """Refuse an imbalanced algorithm on one that it does not work on.

    Args:
        algorithm: name as registered.
        imbalanced: name as registered, or None.
        base: name as in the setting `base`, or None.

    Raises:
        SettingsError: naming the algorithms that it works on.
    """
    if imbalanced is None:
        return
    on = supported(imbalanced)
    if algorithm in on and base not in REFUSED_BASES.get(imbalanced, ()):
        return
    what = f"algorithm {algorithm}" + (f" with base {base}" if algorithm in on else "")
    raise SettingsError(
        f"imb_algorithm {imbalanced} does not work on {what}; it does on: {', '.join(on)}"
    )


def supported(imbalanced: str) -> list[str]:
    """The registered algorithms that an imbalanced one works on, or is not known to fail on.

    Args:
        imbalanced: name as registered.
    """
    if imbalanced in ONLY:
        return [ONLY[imbalanced]]
    refused = REFUSED.get(imbalanced, ())
    return sorted(n for n in ALGORITHMS.keys() if not {n, served_as(n)} & set(refused))
