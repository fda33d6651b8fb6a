"""From a training and a validation batch to the derivative of each example's weight (Eq. 6 of Ren et al.).

What one update of the weights found, and what is logged of it.

What the influence hook is told: its settings, and which parameters an inverse looks at.
"""

from dataclasses import dataclass, replace

import torch
from torch import nn

from usb_ext.core.processes import rows_of_all, summed, world
from usb_ext.methods.influence.gradients import (
    InverseSettings,
    Parameters,
    cosine,
    inverse_product,
    network_weight_gradients,
    weight_gradients,
)
from usb_ext.methods.influence.last_layer import Curvature, mean_gradient
from usb_ext.methods.influence.passes import (
    HeadBatch,
    Inputs,
    Seen,
    chosen_parameters,
    head_pass,
    mass,
    per_example_losses,
    precision,
)
from usb_ext.upstream.running import Running


@dataclass(frozen=True)
class Found:
    """What one update found.

    Attributes:
        gradients: (U,), d L_V / d lambda_u.
        validation_loss: mean cross-entropy of the validation batch, shape ().
        raises: tenfold raises of the damping.
        iterations: products with H; steps of conjugate gradients.
        cosine: between H^-1 g_V and g_V, shape ().
        residual: ||g_V - H x|| / ||g_V|| of what was found for H^-1 g_V, shape (); in the head alone.
        converged: False where conjugate gradients ran out of steps.
    """

    gradients: torch.Tensor
    validation_loss: torch.Tensor
    raises: int
    iterations: int
    cosine: torch.Tensor | None = None
    residual: torch.Tensor | None = None
    converged: bool = True


def summary(table: torch.Tensor, found: Found, raised: int) -> dict[str, torch.Tensor]:
    """What is logged of an update: tensors of shape () on the table's device, under USB's prefix.

    Args:
        table: (N_ulb,) or (1,) weights after the update.
        found: the update.
        raised: tenfold raises of the damping so far.
    """
    values = {
        "val_loss": found.validation_loss,
        "weight_mean": table.mean(),
        "weight_std": table.std(correction=0),
        "weight_zero": (table == 0).float().mean(),
        "damping_raised": torch.tensor(float(raised)),
        "products": torch.tensor(float(found.iterations)),
    }
    measured = {"cosine": found.cosine, "residual": found.residual}
    values |= {name: value for name, value in measured.items() if value is not None}
    return {
        f"train/influence_{name}": value.detach().to(table.device, torch.float32)
        for name, value in values.items()
    }


@dataclass(frozen=True)
class InfluenceOptions:
    """Settings of the hook; the names are those of the settings without `influence_`.

    Attributes:
        every: N, training steps between two updates.
        lr: eta.
        optimizer: `m_adam`, `adam` or `sgd`.
        single: one weight for all examples.
        weight_max: upper bound of a weight; infinity for none.
        bias: whether the head's bias counts among its parameters.
        scope: `head`, `last_block` or `network`.
        shift: damping plus weight decay, on the diagonal of H.
        inverse: how H^-1 is applied.
        mean: `batch` or `selected`, what the unlabelled loss is divided by.
        masked: whether one weight for all moves along the derivative of the objective it stands in (the sum
            over what the base selects and weighs); False is the sum over all examples, as the authors have.
        relative: damping as a share of trace(H) / P, added to `shift`.
    """

    every: int
    lr: float
    optimizer: str
    single: bool
    weight_max: float
    bias: bool
    scope: str
    shift: float
    inverse: InverseSettings
    mean: str
    masked: bool = True
    relative: float = 0.0


def head_gradients(
    algorithm: Running,
    head: nn.Linear,
    seen: Seen,
    validation: tuple[Inputs, torch.Tensor],
    options: InfluenceOptions,
) -> Found:
    """With the last layer alone: three forward passes and one small system (Sec. 3.1).

    Args:
        algorithm: the running algorithm, its network in evaluation mode.
        head: the classification layer.
        seen: the training batch.
        validation: (V, ...) inputs, this process's share of them, and (V,) classes.
        options: damping, solver and whether the bias counts.
    """
    dtype = precision(seen.shares.device)

    def through(inputs: Inputs, targets: torch.Tensor) -> HeadBatch:
        with algorithm.amp_cm():
            return head_pass(
                algorithm.model,
                head,
                inputs,
                targets,
                bias=options.bias,
                dtype=dtype,
                gather=seen.gather,
            )

    labelled = through(seen.x_lb, seen.y_lb)
    unlabelled = through(seen.x_ulb, seen.targets)
    held_out = through(*validation)
    curvature = training_curvature(labelled, unlabelled, seen, options.shift)
    if options.relative:
        shift = options.shift + options.relative * curvature.mean_diagonal
        curvature = replace(curvature, shift=shift)
    right = mean_gradient(held_out.residual, held_out.features)
    inverse = inverse_product(curvature, right, options.inverse)
    gradients = weight_gradients(inverse.value, unlabelled.residual, unlabelled.features)
    return Found(
        gradients,
        held_out.loss,
        inverse.raises,
        inverse.iterations,
        cosine(inverse.value, right),
        inverse.residual,
        inverse.converged,
    )


def training_curvature(
    labelled: HeadBatch, unlabelled: HeadBatch, seen: Seen, shift: float
) -> Curvature:
    """H of the step's objective: mean over B labelled rows, weighted sum over U unlabelled ones.

    ours: UDA's annealing, which leaves labelled examples out for a time, does not enter.

    Args:
        labelled: the last layer on B examples.
        unlabelled: the same on U.
        seen: shares (U,) and targets (U,) or (U, C).
        shift: damping plus weight decay.
    """
    even = torch.full_like(labelled.probs[:, 0], 1 / len(labelled.probs))
    shares = seen.shares.to(unlabelled.probs) * mass(seen.targets, unlabelled.probs)
    return Curvature(
        torch.cat((labelled.probs, unlabelled.probs)),
        torch.cat((labelled.features, unlabelled.features)),
        torch.cat((even, shares)),
        shift,
    )


def network_gradients(
    algorithm: Running,
    head: nn.Linear,
    seen: Seen,
    validation: tuple[Inputs, torch.Tensor],
    options: InfluenceOptions,
) -> Found:
    """With the last block or the whole network, by automatic differentiation (Sec. 4.3).

    ours: in the parameters' own precision and without autocast. Each process differentiates the losses of its
    share, and gradients and products with H are summed over processes.

    Args:
        algorithm: the running algorithm, its network in evaluation mode.
        head: the classification layer.
        seen: the training batch.
        validation: (V, ...) inputs, this process's share of them, and (V,) classes.
        options: scope, damping and solver.
    """
    model = algorithm.model
    chosen = chosen_parameters(model, head, options.scope)
    parameters = {name: value.detach() for name, value in chosen.items()}

    def losses(given: Parameters, inputs: Inputs, targets: torch.Tensor) -> torch.Tensor:
        outputs = torch.func.functional_call(model, given, (inputs,))
        return per_example_losses(outputs["logits"], targets[world().share(len(targets))])

    def mean(given: Parameters, inputs: Inputs, targets: torch.Tensor) -> torch.Tensor:
        own = losses(given, inputs, targets)
        return own.mean() if len(own) == len(targets) else own.sum() / len(targets)

    def objective(given: Parameters) -> torch.Tensor:
        unlabelled = losses(given, seen.x_ulb, seen.targets)
        shares = seen.shares[world().share(len(seen.shares))].to(unlabelled)
        return mean(given, seen.x_lb, seen.y_lb) + (shares * unlabelled).sum()

    gradients, products, turned = network_weight_gradients(
        parameters,
        objective,
        lambda given: mean(given, *validation),
        lambda given: losses(given, seen.x_ulb, seen.targets),
        options.shift,
        options.inverse,
    )
    with torch.no_grad():
        held_out = summed(mean(parameters, *validation))
    gradients = rows_of_all(gradients, len(seen.targets))
    return Found(gradients, held_out, 0, products, turned)
