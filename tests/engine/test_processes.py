"""Two gloo processes: one spawn checks everything; the oracles run on the rows of both, in one process.

LayerMatch's oracle is written from Eqs. 2, 8 and 9 with plain autograd: each process's batch goes through
a copy of the network, each loss is differentiated by itself, and the gradients are averaged.
"""

import copy
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from support.usb import NUM_CLASSES, usb_arguments
from torch.nn.parallel import DistributedDataParallel

from usb_ext.engine.processes import gathered, mean_over_processes, several
from usb_ext.methods.bases.flexmatch import FlexMatchThreshold
from usb_ext.methods.bases.softmatch import SoftMatchWeight
from usb_ext.methods.layermatch.grad_relu import GradReLUHook
from usb_ext.methods.named import NAMED, register
from usb_ext.upstream.nets import net_builder
from usb_ext.upstream.usb import ALGORITHMS

WORLD, STEPS, PERIOD = 2, 5, 2
LABELLED, UNLABELLED = 3, 6
WEAK, STRONG = slice(3, 9), slice(9, 15)
CUTOFF = 0.9
MOMENTUM, LR = 0.6, 0.7
TOGETHER = SimpleNamespace(distributed=True, world_size=WORLD)
ALONE = SimpleNamespace(distributed=False, world_size=1)


def images(rank: int, step: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(100 * rank + step)

    def some(n: int) -> torch.Tensor:
        return torch.randn(n, 3, 8, 8, generator=generator, dtype=torch.float64)

    weak = some(UNLABELLED)
    labels = torch.randint(NUM_CLASSES, (LABELLED,), generator=generator)
    strong = weak + 0.3 * some(UNLABELLED)
    return {"x_lb": some(LABELLED), "y_lb": labels, "x_ulb_w": weak, "x_ulb_s": strong}


def distributed(kind: type, rank: int, **changed: Any) -> Any:
    """An algorithm on a WRN in float64, wrapped as USB wraps it for several processes."""
    options = {"batch_size": LABELLED, "ulb_loss_ratio": 1.0, "ent_loss_ratio": 0.0, **changed}
    torch.manual_seed(7)
    made: Any = kind(usb_arguments(kind, **options), net_builder("wrn_10_1"))
    made.model.double().train()
    with torch.no_grad():
        made.model.classifier.weight *= 8.0  # sure of some images and not of others
    made.distributed, made.world_size, made.rank = True, WORLD, rank
    made.model = DistributedDataParallel(
        made.model,
        find_unused_parameters=True,  # a WRN has parameters that it does not use
    )
    return made


class Oracle:
    """Eqs. 2, 8 and 9 on the batches of both processes; the parameters are those of `net`.

    With `averaged` LayerMatch, without it Grad-ReLU on FixMatch.
    """

    def __init__(self, net: Any, averaged: bool) -> None:
        self.net = net
        self.averaged = averaged
        self.level = torch.tensor(1.0 / NUM_CLASSES).double()
        self.mean_p = torch.full((NUM_CLASSES,), 1.0 / NUM_CLASSES).double()
        self.bar: list[torch.Tensor] = []

    def masks(self, weak: list[torch.Tensor]) -> list[torch.Tensor]:
        """FreeMatch's threshold from the rows of all, or a fixed one; each selects its own rows."""
        every = torch.cat(weak)
        self.level = 0.3 * self.level + 0.7 * every.max(dim=-1).values.mean()
        self.mean_p = 0.3 * self.mean_p + 0.7 * every.mean(dim=0)
        levels = self.level * self.mean_p / self.mean_p.max()
        if not self.averaged:
            levels = torch.full_like(levels, CUTOFF)
        return [(p.max(dim=-1).values >= levels[p.argmax(dim=-1)]).double() for p in weak]

    def gradients(self, step: int) -> dict[str, torch.Tensor]:
        """Mean over processes of each parameter's gradient; the averaged head makes its step."""
        if step % PERIOD == 0:
            head = self.net.classifier
            self.bar = [head.weight.detach().clone(), head.bias.detach().clone()]
        batches = [images(rank, step) for rank in range(WORLD)]
        rows = [torch.cat([b[k] for k in ("x_lb", "x_ulb_w", "x_ulb_s")]) for b in batches]
        outputs = [self.net(r) for r in rows]
        weak = [torch.softmax(o["logits"].detach()[WEAK], dim=-1) for o in outputs]
        head_moves = [torch.zeros_like(b) for b in self.bar]
        total: dict[str, torch.Tensor] = {}
        for data, out, p, mask in zip(batches, outputs, weak, self.masks(weak), strict=True):
            found, moves = self.of_one(out, data["y_lb"], p.argmax(dim=-1), mask)
            total = {n: total.get(n, 0.0) + g / WORLD for n, g in found.items()}
            head_moves = [a + g / WORLD for a, g in zip(head_moves, moves, strict=True)]
        self.bar = [
            MOMENTUM * b + (1 - MOMENTUM) * (b - LR * g)
            for b, g in zip(self.bar, head_moves, strict=True)
        ]
        return total

    def of_one(
        self,
        out: dict[str, torch.Tensor],
        y: torch.Tensor,
        pseudo: torch.Tensor,
        mask: torch.Tensor,
    ) -> tuple[dict[str, torch.Tensor], list[torch.Tensor]]:
        """One process: two backward passes for the network, a third for the averaged head."""
        bar = [b.clone().requires_grad_() for b in self.bar]
        strong = (out["logits"][STRONG], F.linear(out["feat"][STRONG], *bar))
        terms = [F.cross_entropy(logits, pseudo, reduction="none") for logits in strong]
        unsup, through_bar = ((mask * t).sum() / UNLABELLED for t in terms)
        sup = F.cross_entropy(out["logits"][:LABELLED], y)
        whole = sup + unsup + (through_bar if self.averaged else 0.0)
        alone, both = (by_name(self.net, loss) for loss in (sup, whole))
        found = {n: (alone if n.startswith("classifier") else both)[n] for n in both}
        return found, list(torch.autograd.grad(through_bar, bar))


def by_name(net: Any, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    """Gradients of a loss; 0 for the parameters that a WRN declares and does not use."""
    names, parameters = zip(*net.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    pairs = zip(parameters, found, strict=True)
    return dict(
        zip(names, [torch.zeros_like(p) if g is None else g for p, g in pairs], strict=True)
    )


def same_everywhere(values: torch.Tensor) -> bool:
    """Whether a tensor has the same bits in all processes."""
    copies = [torch.empty_like(values) for _ in range(WORLD)]
    dist.all_gather(copies, values)
    return all(torch.equal(c, values) for c in copies)


def follows_the_oracle(made: Any, rank: int, averaged: bool) -> None:
    net = made.model.module
    oracle = Oracle(copy.deepcopy(net), averaged)
    if not averaged:
        made.register_hook(GradReLUHook.on(made), "GradReLUHook")
    optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
    used = 0.0
    for step in range(STEPS):
        made.it = step
        oracle.net.load_state_dict(net.state_dict())
        made.call_hook("before_train_step", "GradReLUHook")
        out, log = made.train_step(**images(rank, step))
        optimizer.zero_grad()
        out["loss"].backward()
        made.call_hook("after_train_step", "GradReLUHook")
        wanted = oracle.gradients(step)
        for name, parameter in net.named_parameters():
            found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            torch.testing.assert_close(found, wanted[name], rtol=1e-7, atol=1e-9, msg=name)
            assert same_everywhere(found), name
        if averaged:
            head = made.hooks_dict["AvgClusteringHook"].averaged().values()
            for part, expected in zip(head, oracle.bar, strict=True):
                torch.testing.assert_close(part, expected, rtol=1e-9, atol=1e-12)
                assert same_everywhere(part)
        optimizer.step()
        used += float(log["train/util_ratio"])
    assert 0.1 * STEPS < used < 0.95 * STEPS, used


def threshold_hooks_follow_the_rows_of_all(rank: int) -> None:
    """USB's statistics of several processes are those of one process with all rows."""
    n = 30
    pairs: list[tuple[Any, Any]] = [
        (SoftMatchWeight(4, 2, 0.7, per_class), SoftMatchWeight(4, 2, 0.7, per_class))
        for per_class in (False, True)
    ]
    pairs.append((FlexMatchThreshold(n, 4), FlexMatchThreshold(n, 4)))
    here, one = ({**vars(a), "p_cutoff": 0.4} for a in (TOGETHER, ALONE))
    generator = torch.Generator().manual_seed(3)
    for _ in range(6):
        probs = torch.softmax(2 * torch.randn(16, 4, generator=generator), dim=-1)
        places = torch.randint(n, (16,), generator=generator)  # some twice, also across processes
        mine = slice(8 * rank, 8 * rank + 8)
        for several_, alone in pairs:
            got = several_.masking(
                SimpleNamespace(**here), probs[mine], idx_ulb=places[mine], softmax_x_ulb=False
            )
            wanted = alone.masking(
                SimpleNamespace(**one), probs, idx_ulb=places, softmax_x_ulb=False
            )
            assert torch.equal(got, wanted[mine])
            for name, value in vars(alone).items():
                if isinstance(value, torch.Tensor):
                    own = value[mine] if name == "thresholds" else value  # one a row
                    assert torch.equal(getattr(several_, name), own), name


def plain_helpers(rank: int) -> None:
    own = torch.tensor([[1.0, 2.0], [3.0, 4.0]]) + 10 * rank
    assert several(TOGETHER) and not several(ALONE)
    everyone = [[1, 2], [3, 4], [11, 12], [13, 14]]
    assert gathered(TOGETHER, own).tolist() == everyone
    assert gathered(TOGETHER, own.T).tolist() == [[1, 3], [2, 4], [11, 13], [12, 14]]
    assert gathered(ALONE, own) is own and mean_over_processes(ALONE, own) is own
    assert mean_over_processes(TOGETHER, own).tolist() == [[6, 7], [8, 9]]


def checks(rank: int, folder: str) -> None:
    where = f"file://{folder}/meeting"
    limit = timedelta(seconds=60)
    dist.init_process_group("gloo", where, rank=rank, world_size=WORLD, timeout=limit)
    try:
        plain_helpers(rank)
        threshold_hooks_follow_the_rows_of_all(rank)
        options = {"ema_p": 0.3, "ac_reset_iter": PERIOD, "ac_momentum": MOMENTUM, "ac_lr": LR}
        follows_the_oracle(distributed(NAMED["layermatch"], rank, **options), rank, averaged=True)
        register()
        usbs = distributed(ALGORITHMS["fixmatch"], rank, p_cutoff=CUTOFF)
        follows_the_oracle(usbs, rank, averaged=False)
    finally:
        dist.destroy_process_group()


def second(_: int, folder: str) -> None:
    torch.set_num_threads(1)
    checks(1, folder)


def test_two_processes(tmp_path: Path) -> None:
    """This process is the first; what fails in the second is raised here, with its traceback."""
    other = torch.multiprocessing.spawn(second, (str(tmp_path),), nprocs=1, join=False)
    try:
        checks(0, str(tmp_path))
    finally:
        other.join()


def test_without_processes_nothing_is_gathered() -> None:
    values = torch.ones(3)
    assert not several(TOGETHER)
    assert gathered(TOGETHER, values) is values
    assert mean_over_processes(TOGETHER, values) is values
