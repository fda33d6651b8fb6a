"""What one update of the weights found, and what is logged of it."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Found:
    """What one update found.

    Attributes:
        gradients: (U,), d L_V / d lambda_u.
        validation_loss: mean cross-entropy of the validation batch, shape ().
        raises: tenfold raises of the damping.
        iterations: products with H.
    """

    gradients: torch.Tensor
    validation_loss: torch.Tensor
    raises: int
    iterations: int


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
    return {
        f"train/influence_{name}": value.detach().to(table.device, torch.float32)
        for name, value in values.items()
    }
