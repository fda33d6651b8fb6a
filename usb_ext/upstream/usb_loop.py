"""USB's own loop, for measuring against: its class, hooks, loaders and `train`, untouched."""

from typing import Any


def unmodified(algorithm: type, datasets: dict[str, Any]) -> type:
    """USB's class with nothing replaced but where its data sets come from.

    Args:
        algorithm: a class of USB's registry.
        datasets: what its `set_dataset` shall give.
    """

    def set_dataset(self: Any) -> dict[str, Any]:
        self.args.ulb_dest_len = len(datasets["train_ulb"])
        self.args.lb_dest_len = len(datasets["train_lb"])
        return datasets

    return type(f"Unmodified{algorithm.__name__}", (algorithm,), {"set_dataset": set_dataset})
