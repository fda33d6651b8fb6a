"""USB's algorithms as they run on the engine: most unchanged, a few through a mended subclass.

A mended class stands in its original's place in the method resolution order. Each is removed by the
upstream patch that its docstring names.
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
