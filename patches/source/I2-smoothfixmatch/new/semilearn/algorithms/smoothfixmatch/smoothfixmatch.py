# Licensed under the MIT License.

import torch
from semilearn.algorithms.fixmatch import FixMatch
from semilearn.algorithms.hooks import FixedThresholdingHook
from semilearn.algorithms.utils import SSL_Argument
from semilearn.core.utils import ALGORITHMS

from .utils import smooth_weight


class SmoothWeightingHook(FixedThresholdingHook):
    """
    Smooth Pseudo-Labeling: a weight that rises from 0 at the threshold to 1, for the mask of FixMatch
    """

    @torch.no_grad()
    def masking(self, algorithm, logits_x_ulb, softmax_x_ulb=True, *args, **kwargs):
        probs_x_ulb = logits_x_ulb.detach()
        if softmax_x_ulb:
            probs_x_ulb = algorithm.compute_prob(probs_x_ulb)
        confidence = probs_x_ulb.amax(dim=-1)
        return smooth_weight(confidence, algorithm.p_cutoff, algorithm.args.smooth_exponent)


@ALGORITHMS.register("smoothfixmatch")
class SmoothFixMatch(FixMatch):
    """
    Smooth FixMatch (Smooth Pseudo-Labeling, Eq. 21): FixMatch's loss times a weight without a jump.

    Args, beside those of AlgorithmBase:
        - smooth_exponent (`float`, *optional*, default to 1.0):
            mu: 1 is linear, 2 and 0.5 are the paper's `sq` and `sqrt`
    """

    def set_hooks(self):
        super().set_hooks()
        # reset MaskingHook
        self.register_hook(SmoothWeightingHook(), "MaskingHook")

    @staticmethod
    def get_argument():
        return [*FixMatch.get_argument(), SSL_Argument("--smooth_exponent", float, 1.0)]
