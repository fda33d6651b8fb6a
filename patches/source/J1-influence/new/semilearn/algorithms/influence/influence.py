# Licensed under the MIT License.

import copy

import numpy as np
import torch
from semilearn.algorithms.hooks import FixedThresholdingHook, PseudoLabelingHook
from semilearn.algorithms.uda import UDA
from semilearn.algorithms.utils import SSL_Argument
from semilearn.core.utils import ALGORITHMS
from semilearn.datasets import get_collactor
from semilearn.nets.utils import find_head
from torch.utils.data import default_collate

from .utils import MAdam, influences


class ValidationBatches:
    """
    validation batches that depend on the seed and the number of the batch alone
    """

    def batch(self, algorithm, number, device):
        images, args = algorithm.dataset_dict["val"], algorithm.args
        generator = torch.Generator().manual_seed(1000003 * (args.seed or 0) + number)
        chosen = torch.randperm(len(images), generator=generator)[: args.influence_val_batch]
        collate = get_collactor(args, args.net) or default_collate
        batch = collate([images[i] for i in chosen.tolist()])
        batch = algorithm.process_batch(["x_lb", "y_lb"], **batch)
        return batch["x_lb"], batch["y_lb"]


class InfluenceHook(FixedThresholdingHook):
    """
    the mask times a weight for each unlabelled example, which its influence on the validation loss moves

    State: the weights (n,), their optimizer's, and how often they have moved.
    """

    def __init__(self, head, num_ulb, args):
        super().__init__()
        self.head, self.every = head, args.influence_every
        self.weight_max = args.influence_weight_max
        self.shift = args.influence_damping + args.weight_decay
        self.table = torch.ones(num_ulb)
        self.optimizer = MAdam(num_ulb, args.influence_lr)
        self.updates = 0
        self.validation = ValidationBatches()

    @torch.no_grad()
    def masking(self, algorithm, logits_x_ulb, *args, **kwargs):
        if self.table.device != logits_x_ulb.device:
            self.table = self.table.to(logits_x_ulb.device)
            self.optimizer.to(logits_x_ulb.device)
        mask = super().masking(algorithm, logits_x_ulb, *args, **kwargs)
        self.weights = mask * self.table[algorithm.seen["idx_ulb"]].to(mask)
        return self.weights

    def after_train_step(self, algorithm):
        if (algorithm.it + 1) % self.every != 0:
            return
        batch = {
            **algorithm.seen,
            "targets": algorithm.hooks_dict["PseudoLabelingHook"].targets,
            "shares": algorithm.lambda_u * self.weights / len(self.weights),
        }
        validation = self.validation.batch(algorithm, self.updates, self.table.device)
        gradients, loss = influences(algorithm, self.head, batch, validation, self.shift)
        self.optimizer.step(self.table, batch["idx_ulb"], gradients)
        self.table.clamp_(0, self.weight_max)
        self.updates += 1
        algorithm.log_dict["train/influence_val_loss"] = loss.item()

    def state_dict(self):
        state = {"table": self.table, "updates": self.updates}
        return {**state, "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state):
        self.table = state["table"].to(self.table, copy=True)
        self.updates = state["updates"]
        self.optimizer.load_state_dict(state["optimizer"])


class RememberedLabelsHook(PseudoLabelingHook):
    """
    keeps the targets of a step for the update of the weights
    """

    def gen_ulb_targets(self, algorithm, *args, **kwargs):
        self.targets = super().gen_ulb_targets(algorithm, *args, **kwargs)
        return self.targets


@ALGORITHMS.register("influence")
class Influence(UDA):
    """
    Influence weighting (https://arxiv.org/abs/2007.01293, Algorithm 1): UDA with a learned weight for every
    unlabelled example. The influence is that on the last layer, by its Hessian in closed form.

    Args, beside those of AlgorithmBase:
        - influence_num_val (`int`, *optional*, default to 100):
            Labelled examples that are held out to validate on, evenly by class
        - influence_val_batch (`int`, *optional*, default to 320):
            Most of them in one update
        - influence_every (`int`, *optional*, default to 100):
            Steps between two updates
        - influence_lr (`float`, *optional*, default to 0.01):
            Step size of the weights
        - influence_damping (`float`, *optional*, default to 1.0):
            Added to the Hessian's diagonal beside weight_decay; their sum is above 0
        - influence_weight_max (`float`, *optional*, default to 2.0):
            Largest weight
    """

    def set_dataset(self):
        if self.args.world_size > 1:
            raise ValueError(
                "influence runs in one process, because every process would move weights of its own: "
                "set multiprocessing_distributed to False, world_size to 1 and gpu to the one to use"
            )
        if self.args.influence_damping + self.args.weight_decay <= 0:
            raise ValueError(
                "influence_damping and weight_decay are both 0; one of them must be above"
            )
        dataset_dict = super().set_dataset()
        if dataset_dict is None:
            return None
        labelled = dataset_dict["train_lb"]
        targets = np.asarray(labelled.targets)
        each = self.args.influence_num_val // self.num_classes
        held = np.concatenate(
            [np.flatnonzero(targets == c)[:each] for c in range(self.num_classes)]
        )
        kept = np.setdiff1d(np.arange(len(targets)), held)
        if len(held) == 0 or len(kept) == 0:
            raise ValueError(
                f"influence_num_val is {self.args.influence_num_val}: of {len(targets)} labelled examples "
                f"in {self.num_classes} classes it must leave some to train with and take some to validate on"
            )
        dataset_dict["train_ulb"] = self._without(dataset_dict["train_ulb"], labelled, held)
        self.args.ulb_dest_len = len(dataset_dict["train_ulb"])
        dataset_dict["val"] = self._part(labelled, held)
        dataset_dict["val"].transform = dataset_dict["eval"].transform
        dataset_dict["train_lb"] = self._part(labelled, kept)
        self.args.lb_dest_len = len(kept)
        return dataset_dict

    @classmethod
    def _without(cls, unlabelled, labelled, held):
        """
        the unlabelled examples but those that are held out: USB puts the labelled ones among them
        """
        names = {cls._content(labelled.data[i]) for i in held}
        kept = [i for i, x in enumerate(unlabelled.data) if cls._content(x) not in names]
        return cls._part(unlabelled, np.array(kept, dtype=int))

    @staticmethod
    def _content(example):
        return example.tobytes() if isinstance(example, np.ndarray) else repr(example)

    @staticmethod
    def _part(dataset, positions):
        part = copy.copy(dataset)
        for name in ("data", "targets"):
            values = getattr(dataset, name)
            array = isinstance(values, np.ndarray)
            setattr(part, name, values[positions] if array else [values[i] for i in positions])
        return part

    def set_hooks(self):
        head = find_head(self.model, self.num_classes)
        self.register_hook(RememberedLabelsHook(), "PseudoLabelingHook")
        # after the parameters' step and before the checkpoint
        hook = InfluenceHook(head, self.args.ulb_dest_len, self.args)
        self.register_hook(hook, "MaskingHook", "VERY_HIGH")
        super(UDA, self).set_hooks()

    def train_step(self, x_lb, y_lb, idx_ulb, x_ulb_w, x_ulb_s):
        self.seen = {"x_lb": x_lb, "y_lb": y_lb, "x_ulb": x_ulb_s, "idx_ulb": idx_ulb}
        return super().train_step(x_lb, y_lb, x_ulb_w, x_ulb_s)

    @staticmethod
    def get_argument():
        return [
            *UDA.get_argument(),
            SSL_Argument("--influence_num_val", int, 100),
            SSL_Argument("--influence_val_batch", int, 320),
            SSL_Argument("--influence_every", int, 100),
            SSL_Argument("--influence_lr", float, 0.01),
            SSL_Argument("--influence_damping", float, 1.0),
            SSL_Argument("--influence_weight_max", float, 2.0),
        ]
