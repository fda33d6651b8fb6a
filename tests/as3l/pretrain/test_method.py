"""SimSiam, SimCLR and BYOL against their losses written out (SimSiam, Eq. 2; SimCLR, Eq. 1; BYOL, Sec. 3)."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from usb_ext.as3l.pretrain.method import SelfSupervised, views_may_join
from usb_ext.settings import Settings, load_settings

SIZE, IMAGES = 6, 7


class Backbone(nn.Module):
    """A linear layer and batch norm on the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 10), nn.BatchNorm1d(10))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"feat": self.body(x)}


def settings(method: str, **changed: Any) -> Settings:
    small = {"ssl_projector_dim": 12, "ssl_predictor_dim": 5, "ssl_output_dim": 8}
    return load_settings({"ssl_method": method, **small, **changed}).settings


def built(method: str, **changed: Any) -> SelfSupervised:
    torch.manual_seed(0)
    return SelfSupervised(Backbone(), settings(method, **changed), SIZE).double().train()


def views() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    first, second = torch.rand(2, IMAGES, 3, SIZE, SIZE, generator=generator, dtype=torch.float64)
    return first, second


def negative_cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    """Mean over the rows of -a.b / |a||b|, number by number."""
    total = 0.0
    for x, y in zip(a.tolist(), b.tolist(), strict=True):
        dot = sum(p * q for p, q in zip(x, y, strict=True))
        total -= dot / math.sqrt(sum(p * p for p in x) * sum(q * q for q in y))
    return total / len(a)


def test_simsiam_is_half_of_both_cosines_and_stops_the_gradient_of_targets() -> None:
    net, (first, second) = built("simsiam"), views()
    z = [net.projector(net.features(v)) for v in (first, second)]
    p = [net.predictor(x) for x in z]  # type: ignore[misc]
    wanted = (negative_cosine(p[0], z[1]) + negative_cosine(p[1], z[0])) / 2
    loss = net(first, second)
    assert loss.item() == pytest.approx(wanted, rel=1e-10)
    loss.backward()
    got = [q.grad.clone() for q in net.backbone.parameters()]
    net.zero_grad()
    frozen = [x.detach() for x in z]
    cosine = nn.functional.cosine_similarity
    (-(cosine(p[0], frozen[1]).mean() + cosine(p[1], frozen[0]).mean()) / 2).backward()
    for gradient, parameter in zip(got, net.backbone.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-8, atol=1e-12)


def test_simclr_tells_a_pair_from_the_rest_of_the_batch() -> None:
    temperature = 0.4
    net, (first, second) = built("simclr", ssl_temperature=temperature), views()
    assert net.predictor is None
    z = torch.cat([net.projector(net.features(v)) for v in (first, second)])
    z = (z / z.norm(dim=1, keepdim=True)).tolist()
    total = 0.0
    for i in range(2 * IMAGES):
        partner = (i + IMAGES) % (2 * IMAGES)
        scores = [sum(a * b for a, b in zip(z[i], z[j], strict=True)) for j in range(2 * IMAGES)]
        others = sum(math.exp(s / temperature) for j, s in enumerate(scores) if j != i)
        total -= scores[partner] / temperature - math.log(others)
    assert net(first, second).item() == pytest.approx(total / (2 * IMAGES), rel=1e-6)


def test_byol_aims_at_a_target_that_follows_with_a_rising_momentum() -> None:
    net, (first, second) = built("byol", ssl_target_momentum=0.9), views()
    assert net.target is not None
    with torch.no_grad():
        for parameter in net.target.parameters():
            parameter.mul_(1.3)
    p = [net.predictor(net.projector(net.features(v))) for v in (first, second)]  # type: ignore[misc]
    t = [net.target[1](net.target[0](v)["feat"]) for v in (first, second)]
    wanted = (negative_cosine(p[0], t[1]) + negative_cosine(p[1], t[0])) / 2
    loss = net(first, second)
    assert loss.item() == pytest.approx(wanted, rel=1e-10)
    loss.backward()
    assert all(q.grad is None for q in net.target.parameters())
    learned = {id(q) for q in net.learned()}
    assert not learned & {id(q) for q in net.target.parameters()}
    for done, momentum in ((0.0, 0.9), (0.5, 0.95), (1.0, 1.0)):
        before = [q.detach().clone() for q in net.target.parameters()]
        net.after_step(done)
        online = [*net.backbone.parameters(), *net.projector.parameters()]
        for old, own, new in zip(before, online, net.target.parameters(), strict=True):
            torch.testing.assert_close(
                new, momentum * old + (1 - momentum) * own, rtol=1e-12, atol=1e-14
            )


def test_without_a_target_a_step_leaves_everything() -> None:
    net = built("simsiam")
    before = {n: v.clone() for n, v in net.state_dict().items()}
    net.after_step(0.5)
    assert all(torch.equal(v, before[n]) for n, v in net.state_dict().items())


class Alone(Backbone):
    """Treats each row alone, as a ViT does."""

    def __init__(self, last: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 10), nn.LayerNorm(10), last
        )

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"feat": self.body(x), "logits": self.body(x)}


@pytest.mark.parametrize("method", ["simsiam", "simclr", "byol"])
def test_both_views_in_one_pass_give_the_same_loss_and_gradients(method: str) -> None:
    """Where the backbone treats rows alone; the heads, with their batch norm, see one view at a time."""
    found = []
    for joint in (False, True):
        torch.manual_seed(0)
        net = SelfSupervised(Alone(nn.Identity()), settings(method), SIZE).double().train()
        assert views_may_join(net.backbone.float(), SIZE)
        net.double().joint = joint
        loss = net(*views())
        loss.backward()
        gradients = {n: p.grad for n, p in net.named_parameters() if p.grad is not None}
        kept = {n: b for n, b in net.named_buffers() if not n.startswith("criterion.")}
        found.append((loss, gradients, kept))
    torch.testing.assert_close(*(f[0] for f in found), rtol=1e-12, atol=0)
    for part in (1, 2):
        assert found[0][part].keys() == found[1][part].keys()
        for name, value in found[0][part].items():
            torch.testing.assert_close(value, found[1][part][name], rtol=1e-10, atol=1e-12)


def test_views_join_only_where_rows_are_apart_and_nothing_is_drawn() -> None:
    class Mixing(Alone):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            found = super().forward(x)["feat"]
            return {"feat": found, "logits": found - found.mean(0)}

    for backbone, may in (
        (Alone(nn.Identity()), True), (Alone(nn.BatchNorm1d(10)), False),
        (Alone(nn.BatchNorm1d(10).eval()), True), (Alone(nn.Dropout(0.1)), False),
        (Alone(nn.Dropout(0.0)), True), (Mixing(nn.Identity()), False),
    ):  # fmt: skip
        assert views_may_join(backbone, SIZE) is may, backbone
