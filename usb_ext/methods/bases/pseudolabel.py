"""Pseudo-Label as a base: one view, labelled by the network that trains on it (Lee, 2013)."""

from usb_ext.methods.step.base import LogitsRule
from usb_ext.methods.step.running import RunningStep
from usb_ext.upstream.running import Arguments


class PseudoLabelRule(LogitsRule):
    """The weak view is its own target above a fixed threshold; its loss warms up (Lee, 2013, Eq. 16)."""

    def prepare(self, algorithm: RunningStep, args: Arguments) -> None:
        """Hard labels, as USB's Pseudo-Label makes them."""
        algorithm.T = 1.0
        algorithm.p_cutoff = args.p_cutoff
        algorithm.use_hard_label = True
        algorithm.unsup_warm_up = args.unsup_warm_up

    def unsup_weight(self, algorithm: RunningStep) -> float:
        """lambda_u times a ramp from 0 to 1."""
        ramp = algorithm.it / (algorithm.unsup_warm_up * algorithm.num_train_iter)
        return float(algorithm.lambda_u * min(max(ramp, 0.0), 1.0))
