"""Steps that leave rows out beside the same steps over all rows: losses, gradients, state, random numbers."""

import copy
import logging
import re
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.nets import TinyBert, tiny_vit
from support.usb import FAST, NUM_UNLABELLED, our_class, usb_arguments
from torch import nn

from usb_ext.engine.state import plain_fields
from usb_ext.methods.as3l import prior as as3l_prior
from usb_ext.methods.step import savings
from usb_ext.methods.step.extension import Extension
from usb_ext.methods.step.registry import EXTENSIONS, RULES
from usb_ext.methods.step.step import ROWS
from usb_ext.settings.algorithms import BASES
from usb_ext.settings.model import default_of, options_of
from usb_ext.upstream.nets import wrn_10_1
from usb_ext.upstream.quiet import printed_to_log

CLASSES, B, U, STEPS = 3, 3, 8, 3
BOTH = {"weak_no_grad": "always", "selected_only": "always"}
TOLERANCE: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}

OPTIONS: dict[str, dict[str, Any]] = {
    "dash": {"rho_min": 0.1, "C": 0.1},
    "flexmatch": {"p_cutoff": 0.8, "thresh_warmup": False},
    "freematch": {"ent_loss_ratio": 0.3, "ema_p": 0.1, "use_quantile": True},
    "instant": {"p_cutoff": 0.95, "warm_up_it": 1},
    "fixmatch_eman": {"p_cutoff": 0.7},
}
"""Options by which a base selects some of the examples and not all; a threshold of 0.85 elsewhere."""

LOW: dict[str, dict[str, Any]] = {
    "dash": {"rho_min": 0.5, "C": 0.5}, "freematch": {}, "instant": {},
}  # fmt: skip
"""The same for networks and extensions that make it less sure; a threshold of 0.6 elsewhere."""

PARTS: dict[str, dict[str, Any]] = {
    "grad_relu": {},
    "avg_clustering": {"ac_lr": 0.5, "ac_momentum": 0.5},
    "smooth_weight": {},
    "influence": {"influence_every": 1, "influence_lr": 0.3, "influence_scope": "head"},
    "prior_label": {"prior_until": 3},
}


def vit() -> nn.Module:
    """Stochastic depth in its second block, and dropout before its first."""
    net: Any = tiny_vit(CLASSES)
    net.pos_drop.p = 0.2
    with torch.no_grad():
        net.patch_embed.proj.weight.mul_(10)  # so that rows differ
    return confident(net, net.head)


def bert() -> nn.Module:
    net: Any = TinyBert()
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return confident(net, net.classifier[-1], 2.0)


def wrn() -> nn.Module:
    net: Any = wrn_10_1(num_classes=CLASSES)
    return confident(net, net.classifier)


def confident(net: nn.Module, head: nn.Linear, scale: float = 1.0) -> nn.Module:
    """A network that is surer of some rows than of others from the start."""
    with torch.no_grad():
        head.weight.copy_(scale * torch.randn(head.weight.shape))
    return net


def words(rows: int, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    found = torch.randint(1, 20, (rows, 6), generator=generator)
    return {"input_ids": found, "attention_mask": torch.ones_like(found)}


def images(rows: int, seed: int, size: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 3, size, size, generator=generator, dtype=torch.float64)


def made(network: str, base: str, **changed: Any) -> Any:
    """A base on a network in float64, its hooks as before the first step."""
    values = {
        "use_cat": network != "bert",
        "batch_size": B,
        "num_classes": CLASSES,
        "weight_decay": 0.0,
    }
    values |= {"uratio": U // B, "ema_p": 0.5} | OPTIONS.get(base, {"p_cutoff": 0.85})
    if network == "bert" or "prior_label" in changed.get("extensions", ()):
        values |= LOW.get(base, {"p_cutoff": 0.6})
    values |= changed
    for name in values.get("extensions", ()):
        for option in options_of(name):
            values.setdefault(option, default_of(option))
    args = usb_arguments(our_class(base), **values)
    build = {"vit": vit, "bert": bert, "wrn": wrn}[network]
    torch.manual_seed(5)
    with printed_to_log(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: Any = our_class(base)(args, lambda num_classes, **_: build())
    found.model.double().train()
    found.ema_model.double()
    found.optimizer = torch.optim.SGD(found.model.parameters(), lr=1e-3, momentum=0.9)
    found._batch_sizes = lambda: (B, U)
    found.rho_init = 1.5
    made_of = words if network == "bert" else images
    held_out = made_of(5, 99), torch.arange(5) % CLASSES
    if (hook := found.hooks_dict.get("InfluenceWeightingHook")) is not None:
        hook.validation = SimpleNamespace(batch=lambda *_: held_out)
    return found


def batch(network: str, step: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(step)
    made_of = words if network == "bert" else images
    return {
        "x_lb": made_of(B, 10 * step), "y_lb": torch.arange(B) % CLASSES,
        "x_ulb_w": made_of(U, 10 * step + 1), "x_ulb_s": made_of(U, 10 * step + 2),
        "idx_ulb": torch.randperm(NUM_UNLABELLED, generator=generator)[:U],
    }  # fmt: skip


def own_hooks(algorithm: Any) -> dict[str, Any]:
    hooks = algorithm.hooks_dict.items()
    return {n: h for n, h in hooks if type(h).__module__.startswith("usb_ext.methods")}


def stepped(network: str, base: str, steps: int = STEPS, **changed: Any) -> list[dict[str, Any]]:
    """What each step leaves: log, gradients, buffers, hooks' state, the generator's next number."""
    algorithm, found = made(network, base, **changed), []
    torch.manual_seed(1)
    for step in range(steps):
        algorithm.it = step
        data = batch(network, step)
        if RULES[base].one_view:
            data.pop("x_ulb_s")
        out, algorithm.log_dict = algorithm.train_step(**data)
        algorithm.optimizer.zero_grad()
        out["loss"].backward()
        left: dict[str, Any] = {n: p.grad for n, p in algorithm.model.named_parameters()}
        left = {n: g.clone() for n, g in left.items() if g is not None}
        algorithm.optimizer.step()
        for hook in own_hooks(algorithm).values():
            hook.after_train_step(algorithm)
        for name, hook in algorithm.hooks_dict.items():
            if name in own_hooks(algorithm) or "Align" in name or "Masking" in name:
                left |= tensors(
                    name, hook.state_dict() if hasattr(hook, "state_dict") else plain_fields(hook)
                )
        left |= {k: torch.as_tensor(v).double() for k, v in algorithm.log_dict.items()}
        left |= {f"buffer.{k}": v.clone() for k, v in algorithm.model.named_buffers()}
        found.append({**left, "generator": torch.get_rng_state()})
    return found


def tensors(name: str, state: Any) -> dict[str, torch.Tensor]:
    if isinstance(state, torch.Tensor):
        return {name: state.detach().clone()}
    if isinstance(state, float | int):
        return {name: torch.tensor(float(state))}
    if isinstance(state, dict):
        return {
            k: v for key, each in state.items() for k, v in tensors(f"{name}.{key}", each).items()
        }
    return {}


def rows(found: list[dict[str, Any]]) -> list[float]:
    return [float(each.pop(ROWS)) for each in found]


def assert_equal(network: str, base: str, saving: dict[str, str], **changed: Any) -> list[float]:
    """The same numbers; gives the rows of each step with the saving, which without it are all."""
    plain, saved = (stepped(network, base, **changed, **extra) for extra in ({}, saving))
    all_rows, some = rows(plain), rows(saved)
    for number, (left, right) in enumerate(zip(plain, saved, strict=True)):
        assert left.keys() == right.keys()
        for key, value in left.items():
            torch.testing.assert_close(
                right[key],
                value,
                equal_nan=True,
                **TOLERANCE,
                msg=lambda m, k=key, n=number: f"{n} {k}: {m}",
            )
    used = sum(float(each["train/util_ratio"]) for each in plain)
    assert 0 < used, "nothing is selected, so nothing is compared"
    whole = (
        B + U if RULES[base].one_view or network == "bert" or base == "fixmatch_eman" else B + 2 * U
    )
    assert set(all_rows) == {whole}
    return some


def products() -> list[tuple[str, str]]:
    """Every base, alone and with every extension that it can carry."""
    return [(base, part) for base in BASES for part in ("", *PARTS) if part in ("", *carried(base))]


def carried(base: str) -> list[str]:
    return [p for p in PARTS if p != "smooth_weight" or BASES[base].has_threshold]


def all_parts(base: str) -> dict[str, Any]:
    """All extensions that a base can carry, with their options."""
    options = {k: v for name in carried(base) for k, v in PARTS[name].items()}
    return {"extensions": carried(base), **options}


@pytest.fixture(autouse=True)
def _prior(monkeypatch: pytest.MonkeyPatch) -> None:
    table = torch.rand(NUM_UNLABELLED, CLASSES, generator=torch.Generator().manual_seed(3))
    monkeypatch.setattr(as3l_prior, "prior_of_run", lambda args: table / table.sum(1, keepdim=True))


def assert_rows(some: list[float], base: str, parts: list[str]) -> None:
    """No more rows than without a graph for the weak views, and fewer where a threshold selects."""
    everything = base == "pseudolabel" or (base == "instant" and "influence" in parts)
    if everything:
        assert set(some) == {B + U}
    elif BASES[base].has_threshold:
        assert B <= min(some) < B + U, some
    else:
        assert max(some) <= B + U


@pytest.mark.parametrize("network", ["bert", "vit"])
@pytest.mark.parametrize("base", list(BASES))
def test_without_rows_that_do_not_matter_a_step_is_the_same_on_every_base(
    network: str, base: str
) -> None:
    assert_rows(assert_equal(network, base, BOTH), base, [])


@pytest.mark.parametrize("network", ["bert", "vit"])
@pytest.mark.parametrize("base", list(BASES))
def test_without_rows_that_do_not_matter_a_step_is_the_same_with_all_extensions(
    network: str, base: str
) -> None:
    extra = all_parts(base)
    assert_rows(assert_equal(network, base, BOTH, **extra), base, extra["extensions"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "saving", [BOTH, {"weak_no_grad": "always"}, {"selected_only": "always"}], ids=str
)
@pytest.mark.parametrize("network", ["bert", "vit"])
@pytest.mark.parametrize(("base", "part"), products())
def test_each_saving_leaves_a_step_the_same_with_every_extension(
    network: str, base: str, part: str, saving: dict[str, str]
) -> None:
    assert_equal(
        network, base, saving, steps=20, **({"extensions": [part], **PARTS[part]} if part else {})
    )


@pytest.mark.parametrize("name", list(BOTH))
@pytest.mark.parametrize("algorithm", ["fixmatch", "freematch", "softmatch"])
def test_each_saving_alone_leaves_a_step_the_same(algorithm: str, name: str) -> None:
    some = assert_equal(
        "vit", algorithm, {name: "always"}, extensions=["grad_relu", "avg_clustering"], **FAST
    )
    if name == "weak_no_grad":
        assert set(some) == {B + U}
    elif algorithm != "softmatch":
        assert B + U < min(some) < B + 2 * U


def test_weak_views_that_a_loss_goes_back_through_keep_their_graph() -> None:
    extra = {"extensions": ["smooth_weight"], "lambda_phi": 0.3}
    some = assert_equal("vit", "fixmatch", BOTH, **extra)
    assert B + U < min(some) < B + 2 * U


@pytest.mark.parametrize("base", ["fixmatch", "freematch"])
def test_batch_norm_in_training_mode_keeps_every_row_bit_for_bit(base: str) -> None:
    plain, saved = (stepped("wrn", base, 2, **extra) for extra in ({}, BOTH))
    for left, right in zip(plain, saved, strict=True):
        assert left.keys() == right.keys()
        assert all(torch.equal(value, right[key]) for key, value in left.items())
    assert set(rows(saved)) == {B + 2 * U}


def with_dropout(rate: float) -> Any:
    """A text step on a network with dropout in its attention, which no layer shows."""
    found = made("bert", "fixmatch", **BOTH)
    for layer in found.model.bert.encoder.layer:
        layer.attention.self.dropout.p = rate
    return found


@pytest.mark.parametrize(("rate", "all_run"), [(0.0, False), (0.1, True)])
def test_random_numbers_outside_the_known_layers_keep_every_row(rate: float, all_run: bool) -> None:
    algorithm = with_dropout(rate)
    _, log = algorithm.train_step(**batch("bert", 0))
    assert (log[ROWS] == B + U) is all_run
    assert algorithm.savings.choice.selected is not all_run


def test_views_in_passes_of_their_own_draw_dropout_in_another_order() -> None:
    """With `use_cat: False` the strong views come before the weak ones."""
    found = stepped("vit", "fixmatch", 1, use_cat=False, **BOTH)
    assert rows(found) == [B + U]


class Reader(Extension):
    """A user's extension with a loss, which says nothing of what it reads."""

    name = "reader"

    def hook(self, algorithm: Any) -> Any:
        from usb_ext.upstream.usb import Hook

        return Hook()

    def losses(self, algorithm: Any, views: Any, targets: Any, weights: Any) -> dict[str, Any]:
        return {
            "reader_loss": 0.1 * views.logits_w.square().mean() + views.logits_s.square().mean()
        }


def test_what_a_users_extension_may_read_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTENSIONS.made, "reader", Reader())
    monkeypatch.setitem(EXTENSIONS.declared, "reader", None)  # type: ignore[arg-type]
    plain, saved = (stepped("vit", "fixmatch", 2, extensions=["reader"], **e) for e in ({}, BOTH))
    assert set(rows(saved)) == {B + 2 * U}
    assert all(torch.equal(plain[1][key], saved[1][key]) for key in saved[1])


@pytest.mark.parametrize("changed", [{}, {"compile": "default"}, {"imb_algorithm": "abc"}], ids=str)
def test_by_itself_a_step_saves_on_a_cpu_and_a_network_that_is_large_enough(
    changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    auto = {"weak_no_grad": "auto", "selected_only": "auto"}
    small = made("vit", "fixmatch", **auto, **changed)
    small.train_step(**batch("vit", 0))
    assert small.savings.choice.weak_graph and not small.savings.choice.selected
    monkeypatch.setattr(savings, "LEAST_WORK", 1.0)
    large = made("vit", "fixmatch", **auto, **changed)
    large.train_step(**batch("vit", 0))
    saves = not changed
    assert large.savings.choice.weak_graph is not saves and large.savings.choice.selected is saves


def by_hand(net: nn.Module, data: dict[str, Any], cutoff: float) -> torch.Tensor:
    """FixMatch's loss with the weak views normalised by themselves, on labelled and strong rows together."""
    logits = net(torch.cat((data["x_lb"], data["x_ulb_s"])))["logits"]
    labelled, strong = logits[:B], logits[B:]
    with torch.no_grad():
        sure, wanted = net(data["x_ulb_w"])["logits"].softmax(1).max(1)
    assert 0 < (sure >= cutoff).sum() < U
    each = nn.functional.cross_entropy(strong, wanted, reduction="none")
    total: torch.Tensor = nn.functional.cross_entropy(labelled, data["y_lb"])
    return total + ((sure >= cutoff) * each).mean()


def test_rows_apart_are_another_method_and_the_one_that_is_meant() -> None:
    """Loss, gradients and running statistics by hand; and not those of one batch."""
    data = batch("wrn", 0)
    algorithm = made("wrn", "fixmatch", bn_rows="separate", ulb_loss_ratio=1.0)
    oracle = copy.deepcopy(algorithm.model)
    out, log = algorithm.train_step(**data)
    out["loss"].backward()
    wanted = by_hand(oracle, data, 0.85)
    wanted.backward()
    torch.testing.assert_close(out["loss"], wanted, **TOLERANCE)
    for (name, own), theirs in zip(
        algorithm.model.named_parameters(), oracle.parameters(), strict=True
    ):
        if theirs.grad is not None:
            torch.testing.assert_close(own.grad, theirs.grad, **TOLERANCE, msg=name)
    for (name, buffer), theirs in zip(
        algorithm.model.named_buffers(), oracle.buffers(), strict=True
    ):
        torch.testing.assert_close(buffer, theirs, **TOLERANCE, msg=name)
    assert log[ROWS] == B + U
    one_batch = made("wrn", "fixmatch", ulb_loss_ratio=1.0)
    assert (one_batch.train_step(**data)[0]["loss"] - wanted).abs() > 1e-3


@pytest.mark.parametrize(
    ("network", "base", "changed", "words"),
    [
        ("vit", "fixmatch", {}, "no batch norm in training mode"),
        ("wrn", "pseudolabel", {}, "learns on the weak views"),
        ("wrn", "fixmatch_eman", {}, "they have none"),
        ("wrn", "fixmatch", {"extensions": ["smooth_weight"], "lambda_phi": 0.3}, "a loss of"),
    ],
)
def test_rows_apart_where_they_cannot_go_are_said_and_change_nothing(
    caplog: pytest.LogCaptureFixture, network: str, base: str, changed: dict[str, Any], words: str
) -> None:
    never = {"weak_no_grad": "never", "selected_only": "never"}
    plain = stepped(network, base, 2, **changed, **never)
    with caplog.at_level(logging.WARNING):
        apart = stepped(network, base, 2, **changed, **never, bn_rows="separate")
    assert re.search(f"bn_rows is separate, but it changes nothing here: .*{words}", caplog.text)
    for left, right in zip(plain, apart, strict=True):
        assert all(torch.equal(value, right[key]) for key, value in left.items())
