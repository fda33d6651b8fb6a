# Licensed under the MIT License.

import torch
from semilearn.algorithms.freematch import FreeMatch
from semilearn.algorithms.utils import SSL_Argument, str2bool
from semilearn.core.utils import ALGORITHMS
from semilearn.nets.utils import find_head

from .utils import AvgClusteringHook, HeadTap


@ALGORITHMS.register("layermatch")
class LayerMatch(FreeMatch):
    """
    LayerMatch (https://arxiv.org/abs/2406.14207): FreeMatch's threshold, Grad-ReLU and Avg-Clustering.

    Args, beside those of AlgorithmBase:
        - grad_relu (`bool`, *optional*, default to `True`):
            Keep the gradient of pseudo-labels out of the classification layer
        - ac_loss_ratio (`float`, *optional*, default to 1.0):
            Weight of the loss through the averaged classification layer
        - ac_reset_iter (`int`, *optional*, default to 2048):
            Steps after which the averaged layer becomes the layer again
        - ac_momentum (`float`, *optional*, default to 0.999):
            Momentum of the averaged layer
        - ac_lr (`float`, *optional*, default to 5e-4):
            Step size of the averaged layer
    """

    def __init__(self, args, net_builder, tb_log=None, logger=None):
        args.ent_loss_ratio = 0.0  # FreeMatch's entropy loss is no part of LayerMatch
        super().__init__(args, net_builder, tb_log, logger)

    def set_hooks(self):
        args = self.args
        head = find_head(self.model, self.num_classes)
        self.tap = HeadTap(head, args.grad_relu)
        averaged = AvgClusteringHook(head, args.ac_reset_iter, args.ac_momentum, args.ac_lr)
        self.register_hook(averaged, "AvgClusteringHook")
        super().set_hooks()

    def forward(self, x_lb, x_ulb_w, x_ulb_s):
        """
        logits and features of the labelled, weak and strong views, and what the head got for the strong ones
        """
        num_lb, num_ulb = len(x_lb), len(x_ulb_w)
        if self.use_cat:
            self.tap.num_lb = num_lb
            outs = self.model(torch.cat((x_lb, x_ulb_w, x_ulb_s)))
            parts = {key: outs[key].split((num_lb, num_ulb, num_ulb)) for key in ("logits", "feat")}
            return parts["logits"], parts["feat"], self.tap.take()[-num_ulb:]
        outs_x_lb = self.model(x_lb)
        self.tap.num_lb = 0
        outs_x_ulb_s = self.model(x_ulb_s)
        features = self.tap.take()
        with torch.no_grad():
            outs_x_ulb_w = self.model(x_ulb_w)
        outs = (outs_x_lb, outs_x_ulb_w, outs_x_ulb_s)
        return [out["logits"] for out in outs], [out["feat"] for out in outs], features

    def train_step(self, x_lb, y_lb, x_ulb_w, x_ulb_s):
        with self.amp_cm():
            logits, feats, features = self.forward(x_lb, x_ulb_w, x_ulb_s)
            logits_x_lb, logits_x_ulb_w, logits_x_ulb_s = logits
            feat_dict = {"x_lb": feats[0], "x_ulb_w": feats[1], "x_ulb_s": feats[2]}
            sup_loss = self.ce_loss(logits_x_lb, y_lb, reduction="mean")

            mask = self.call_hook("masking", "MaskingHook", logits_x_ulb=logits_x_ulb_w.detach())
            pseudo_label = self.call_hook(
                "gen_ulb_targets",
                "PseudoLabelingHook",
                logits=logits_x_ulb_w,
                use_hard_label=self.use_hard_label,
                T=self.T,
            )
            unsup_loss = self.consistency_loss(logits_x_ulb_s, pseudo_label, "ce", mask=mask)
            ac_loss = self.call_hook(
                "loss", "AvgClusteringHook", features=features, targets=pseudo_label, mask=mask
            )
            total_loss = sup_loss + self.lambda_u * unsup_loss + self.args.ac_loss_ratio * ac_loss

        out_dict = self.process_out_dict(loss=total_loss, feat=feat_dict)
        log_dict = self.process_log_dict(
            sup_loss=sup_loss.item(),
            unsup_loss=unsup_loss.item(),
            ac_loss=ac_loss.item(),
            total_loss=total_loss.item(),
            util_ratio=mask.float().mean().item(),
        )
        return out_dict, log_dict

    @staticmethod
    def get_argument():
        own = [
            argument for argument in FreeMatch.get_argument() if argument.name != "--ent_loss_ratio"
        ]
        return [
            *own,
            SSL_Argument("--grad_relu", str2bool, True),
            SSL_Argument("--ac_loss_ratio", float, 1.0),
            SSL_Argument("--ac_reset_iter", int, 2048),
            SSL_Argument("--ac_momentum", float, 0.999),
            SSL_Argument("--ac_lr", float, 5e-4),
        ]
