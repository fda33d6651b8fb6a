# Licensed under the MIT License.

import numpy as np
import torch
from semilearn.algorithms.flexmatch import FlexMatch, FlexMatchThresholdingHook
from semilearn.algorithms.utils import SSL_Argument, concat_all_gather
from semilearn.core.hooks import Hook
from semilearn.core.utils import ALGORITHMS

from .utils import digest, posterior


class SharedThresholdingHook(FlexMatchThresholdingHook):
    """
    FlexMatch's threshold with one table of labels for all processes
    """

    @torch.no_grad()
    def masking(self, algorithm, logits_x_ulb, idx_ulb, *args, **kwargs):
        mask = super().masking(algorithm, logits_x_ulb, idx_ulb, *args, **kwargs)
        if algorithm.distributed and algorithm.world_size > 1:
            labels = concat_all_gather(self.selected_label[idx_ulb])
            known = labels != -1
            self.selected_label[concat_all_gather(idx_ulb)[known]] = labels[known]
            self.update()
        return mask


class PriorLabelHook(Hook):
    """
    prior pseudo-labels join the weak predictions in the first steps (AS3L, Eq. 5)

    FlexMatch asks for it where it would align distributions: masking and targets both see what it gives.
    """

    def __init__(self, prior, until):
        super().__init__()
        self.prior = prior
        self.until = until

    @torch.no_grad()
    def dist_align(self, algorithm, probs_x_ulb, probs_x_lb=None):
        if algorithm.it >= self.until:
            return probs_x_ulb
        self.prior = self.prior.to(probs_x_ulb.device)
        return posterior(self.prior[algorithm.idx_ulb].to(probs_x_ulb), probs_x_ulb)


@ALGORITHMS.register("as3l")
class AS3L(FlexMatch):
    """
    AS3L: FlexMatch with prior pseudo-labels, which clustering gives to every unlabelled example.

    Args, beside those of AlgorithmBase:
        - prior_file (`str`, *optional*, default to `None`):
            What semilearn.algorithms.as3l.prior writes, or an .npy file with an array (n, C): row i is the
            prior of the unlabelled example with idx_ulb i, sums to at most 1, and is zero where nothing is
            known. None is FlexMatch
        - prior_until (`int`, *optional*, default to 6720):
            Steps in which the prior takes part
    """

    def set_hooks(self):
        super().set_hooks()
        shared = SharedThresholdingHook(
            self.args.ulb_dest_len, self.num_classes, self.args.thresh_warmup
        )
        self.register_hook(shared, "MaskingHook")
        if self.args.prior_file is not None:
            self.register_hook(
                PriorLabelHook(self.read_prior(), self.args.prior_until), "DistAlignHook"
            )

    def read_prior(self):
        """
        the prior (n, C) of prior_file
        """
        found = np.load(self.args.prior_file)
        if isinstance(found, np.ndarray):
            prior = found
        elif found["labelled"] == digest(self.dataset_dict["train_lb"].data):
            prior = found["prior"]
        else:
            raise ValueError(
                "prior_file was made for other labelled images: it is of another split"
            )
        expected = (self.args.ulb_dest_len, self.num_classes)
        if prior.shape != expected:
            raise ValueError(f"prior_file holds {tuple(prior.shape)}, not {expected}")
        return torch.from_numpy(prior).float()

    def train_step(self, x_lb, y_lb, idx_ulb, x_ulb_w, x_ulb_s):
        self.idx_ulb = idx_ulb
        return super().train_step(x_lb, y_lb, idx_ulb, x_ulb_w, x_ulb_s)

    @staticmethod
    def get_argument():
        return [
            *FlexMatch.get_argument(),
            SSL_Argument("--prior_file", str, None),
            SSL_Argument("--prior_until", int, 6720),
        ]
