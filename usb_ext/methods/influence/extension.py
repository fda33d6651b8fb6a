"""Influence weighting as an extension: a learned weight for every unlabelled example (Ren et al., 2020)."""

import math
from pathlib import Path

import torch

from usb_ext.methods.influence.gradients import InverseSettings
from usb_ext.methods.influence.hook import InfluenceWeightingHook
from usb_ext.methods.influence.update import InfluenceOptions
from usb_ext.methods.influence.weights_file import read_weights
from usb_ext.methods.step.base import BaseRule, Weak
from usb_ext.methods.step.extension import Extension
from usb_ext.methods.step.head_tap import find_head
from usb_ext.methods.step.running import RunningStep
from usb_ext.methods.step.views import Inputs, Views
from usb_ext.settings.influence import scope_of
from usb_ext.upstream.running import Arguments
from usb_ext.upstream.usb import Hook

HOOK = InfluenceWeightingHook.__name__


class Influence(Extension):
    """A weight for each unlabelled example, moved by its influence on a validation set (Algorithm 1)."""

    def hook(self, algorithm: RunningStep) -> Hook:
        """The hook with the weights, all 1 or as a file has them.

        Raises:
            SettingsError: no classification layer, or a file of other weights.
        """
        args = algorithm.args
        options = options_of(args)
        weights = torch.ones(args.ulb_dest_len)
        if args.influence_weights_file is not None:
            path = Path(args.influence_weights_file)
            weights = read_weights(path, args, args.ulb_dest_len, options.weight_max)
        head = find_head(algorithm.model, algorithm.num_classes)
        return InfluenceWeightingHook(head, weights, options)

    def batch(
        self,
        algorithm: RunningStep,
        x_lb: Inputs,
        y_lb: torch.Tensor,
        x_w: Inputs,
        x_s: Inputs | None,
    ) -> None:
        """Show the hook the inputs: (B, ...), (B,) and the (U, ...) views that carry the loss."""
        one_view = x_s is None or algorithm.rule.one_view
        algorithm.hooks_dict[HOOK].see(x_lb, y_lb, x_w if one_view else x_s)

    def weights(self, algorithm: RunningStep, weak: Weak, weights: torch.Tensor) -> torch.Tensor:
        """The base's weights (U,) times the examples' own."""
        weighted: torch.Tensor = algorithm.hooks_dict[HOOK].weigh(weights, weak.indices)
        return weighted

    def through_weak(self, algorithm: RunningStep) -> bool:
        """No: it adds no loss."""
        return False

    def all_strong(self, algorithm: RunningStep) -> bool:
        """Where the base makes what is learned out of the strong views' outputs (InstanT).

        A weight that is 0 has a derivative all the same; the hook sends the views through by itself.
        """
        return type(algorithm.rule).learned_targets is not BaseRule.learned_targets

    def losses(
        self, algorithm: RunningStep, views: Views, targets: torch.Tensor, weights: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """No further loss; the hook is shown targets (U,) or (U, C) and final weights (U,)."""
        scale = algorithm.rule.unsup_weight(algorithm)
        learned = algorithm.rule.learned_targets(algorithm, views, targets)
        algorithm.hooks_dict[HOOK].remember(learned, weights, scale)
        return {}


def options_of(args: Arguments) -> InfluenceOptions:
    """The hook's options from the run's namespace."""
    inverse = InverseSettings(
        kind=args.influence_inverse,
        exact_size=args.influence_exact_size,
        cg_tolerance=args.influence_cg_tol,
        cg_iterations=args.influence_cg_iter,
        neumann_rate=args.influence_neumann_rate,
        neumann_terms=args.influence_neumann_terms,
    )
    relative = args.influence_damping_scale == "trace"
    return InfluenceOptions(
        every=args.influence_every,
        lr=args.influence_lr,
        optimizer=args.influence_optimizer,
        single=args.influence_weights == "single",
        weight_max=args.influence_weight_max or math.inf,
        bias=args.influence_bias,
        scope=scope_of(args.influence_inverse, args.influence_params),
        shift=args.weight_decay + (0.0 if relative else args.influence_damping),
        inverse=inverse,
        mean=getattr(args, "ulb_loss_mean", "batch"),
        masked=args.influence_mask != "authors",
        relative=args.influence_damping if relative else 0.0,
    )
