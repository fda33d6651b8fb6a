"""M-Adam: a table of scalars of which each step touches a few (Ren et al., 2020, Sec. 3.1).

Every unlabelled example has a weight of its own, and an update reaches the examples of one batch. A plain
Adam over the whole table would also decay the moments of the examples that were not drawn and count the
step for them (the paper's Fig. 4, centre, finds that worse than no moments at all). Here the first and
second moments AND the step count belong to each entry, and only the drawn entries advance: the result is
that of one scalar Adam an entry (Kingma and Ba, 2015, Algorithm 1), without a loop over them.

Symbols: N entries, U drawn ones, g gradient, m and v first and second moment, t the entry's own step count.

    m <- b1 m + (1 - b1) g      v <- b2 v + (1 - b2) g^2      t <- t + 1
    x <- x - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
"""

from typing import Literal, get_args

import torch

Kind = Literal["m_adam", "adam", "sgd"]
KINDS: tuple[str, ...] = get_args(Kind)
STATE = ("first", "second", "steps")


class ScalarTableOptimizer:
    """Optimizer of a table (N,) of independent scalars; its state is three more such tables.

    It makes no random number, waits for no device and gives the same bits on every run: entries are
    gathered, moved and put back by index, and repeats are summed in a fixed order.

    ours: an entry that is drawn twice in a batch takes one step along the sum of its gradients, because
    its examples' losses are summed in the objective (Eq. 2).

    Args:
        size: N.
        lr: eta > 0, step size (0.01 in the paper).
        kind: `m_adam`; `adam` moves the whole table with gradient 0 where nothing was drawn; `sgd`
            subtracts lr * g (Algorithm 1, line 12, as it is written).
        betas: b1 and b2 in [0, 1). ours: Adam's usual ones, the paper names none.
        eps: > 0; ours: Adam's usual one.
        dtype: of the state; ours: double precision, the table is small and its steps are too.
        device: where the table is.

    Attributes:
        first: (N,) first moments.
        second: (N,) second moments.
        steps: (N,) how often each entry has moved.

    Raises:
        ValueError: for another `kind`.
    """

    def __init__(
        self,
        size: int,
        lr: float,
        kind: str = "m_adam",
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind is {kind!r}; allowed: {', '.join(KINDS)}")
        self.lr, self.kind, self.betas, self.eps = lr, kind, betas, eps
        self.first = torch.zeros(size, dtype=dtype, device=device)
        self.second = torch.zeros_like(self.first)
        self.steps = torch.zeros_like(self.first)

    @torch.no_grad()
    def step(self, values: torch.Tensor, indices: torch.Tensor, gradients: torch.Tensor) -> None:
        """Move the drawn entries of `values` in place (Sec. 3.1, M-Adam).

        Args:
            values: (N,) the table.
            indices: (U,) entries in 0..N-1; one may occur several times.
            gradients: (U,) gradient at each of them.
        """
        table = torch.zeros_like(self.first)
        table.index_put_((indices,), gradients.to(table), accumulate=True)
        drawn = torch.arange(len(values), device=values.device) if self._whole else indices
        slope = table[drawn]
        move = slope if self.kind == "sgd" else self._adam_direction(drawn, slope)
        moved = values[drawn] - self.lr * move.to(values)
        values.index_put_((drawn,), moved)  # repeats carry equal values

    @property
    def _whole(self) -> bool:
        return self.kind == "adam"

    def _adam_direction(self, drawn: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
        """Adam's direction of the drawn entries, (U,), after their moments and counts have moved."""
        b1, b2 = self.betas
        first = b1 * self.first[drawn] + (1 - b1) * slope
        second = b2 * self.second[drawn] + (1 - b2) * slope.square()
        steps = self.steps[drawn] + 1
        for table, new in ((self.first, first), (self.second, second), (self.steps, steps)):
            table.index_put_((drawn,), new)
        return first / (1 - b1**steps) / ((second / (1 - b2**steps)).sqrt() + self.eps)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move the state, three tables (N,), to a device and a dtype."""
        for name in STATE:
            setattr(self, name, getattr(self, name).to(device, dtype))

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Moments and counts, each (N,), copied to the CPU."""
        return {name: getattr(self, name).to("cpu", copy=True) for name in STATE}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Take back what `state_dict` gave, three tables (N,), onto this table's device."""
        for name in STATE:
            setattr(self, name, state[name].to(self.first, copy=True))
