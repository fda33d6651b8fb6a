"""The pass in evaluation mode, and the update on USB's networks: WRN, ResNet, ViT and BERT."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support.usb import usb_module
from torch import nn

from usb_ext.methods.influence.gradients import InverseSettings
from usb_ext.methods.influence.passes import Seen, chosen_parameters, evaluating, head_pass
from usb_ext.methods.influence.update import InfluenceOptions, head_gradients, network_gradients
from usb_ext.methods.step.head_tap import find_head
from usb_ext.upstream.nets import net_builder

CLASSES, WORDS = 4, 30


def bert(tmp_path: Path) -> nn.Module:
    """USB's class on one random layer with a tiny vocabulary; nothing is downloaded."""
    module = usb_module("semilearn.nets.bert.bert")
    config = module.BertModel.config_class(
        vocab_size=WORDS, hidden_size=768, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=16,
    )  # fmt: skip
    module.BertModel(config).save_pretrained(tmp_path / "bert")
    made: nn.Module = module.ClassificationBert(str(tmp_path / "bert"), CLASSES)
    return made


def network(name: str, tmp_path: Path) -> tuple[nn.Module, Callable[[int], Any]]:
    torch.manual_seed(0)
    if name == "bert":

        def words(n: int) -> Any:
            ids = torch.randint(WORDS, (n, 6))
            return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

        return bert(tmp_path), words
    return net_builder(name)(num_classes=CLASSES), lambda n: torch.randn(n, 3, 32, 32)


NETWORKS = {
    "wrn_28_2": "block3.layer.3.", "resnet50": "layer4.2.", "vit_tiny_patch2_32": "blocks.11.",
    "bert": "bert.encoder.layer.1.",
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_head_pass_and_last_block_on_usbs_networks(name: str, tmp_path: Path) -> None:
    model, inputs = network(name, tmp_path)
    head = find_head(model, CLASSES)
    batch, labels = inputs(3), torch.randint(CLASSES, (3,))
    with evaluating(model):
        found = head_pass(model, head, batch, labels, bias=True, dtype=torch.float64)
        logits = model(batch)["logits"]
    kernel = torch.cat((head.weight, head.bias[:, None]), dim=1).double()
    torch.testing.assert_close((found.features @ kernel.T).float(), logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.probs.float(), torch.softmax(logits, -1))
    assert found.loss.item() == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
    assert not found.features.requires_grad and not head._forward_pre_hooks

    block = list(chosen_parameters(model, head, "last_block"))
    whole = [n for n, _ in model.named_parameters()]
    assert block == whole[len(whole) - len(block) :] and 0 < len(block) < 0.6 * len(whole)
    assert block[0].startswith(NETWORKS[name])
    own = list(chosen_parameters(model, head, "head"))
    assert [model.get_parameter(n) is p for n, p in zip(own, (head.weight, head.bias), strict=True)]
    assert list(chosen_parameters(model, head, "network")) == whole


@pytest.mark.parametrize(("name", "kind"), [("wrn_10_1", "neumann"), ("bert", "neumann"),
                                            ("vit_tiny_patch2_32", "identity")])  # fmt: skip
def test_updates_beyond_the_head_on_usbs_networks(name: str, kind: str, tmp_path: Path) -> None:
    """With the head's parameters alone chosen, both ways must give the same numbers."""
    model, inputs = network(name, tmp_path)
    head = find_head(model, CLASSES)
    inverse = InverseSettings(kind, neumann_rate=0.05, neumann_terms=3)
    seen = Seen(inputs(2), torch.randint(CLASSES, (2,)), inputs(4), torch.arange(4),
                torch.randint(CLASSES, (4,)), torch.full((4,), 0.25))  # fmt: skip
    held_out = (inputs(5), torch.randint(CLASSES, (5,)))
    run = SimpleNamespace(model=model, amp_cm=contextlib.nullcontext)
    given: dict[str, Any] = {
        "every": 1, "lr": 0.1, "optimizer": "sgd", "single": False, "weight_max": 2.0, "bias": True,
        "shift": 1.0, "inverse": inverse, "mean": "batch",
    }  # fmt: skip
    with evaluating(model):
        closed = head_gradients(run, head, seen, held_out, InfluenceOptions(**given, scope="head"))
        head_alone = InfluenceOptions(**given, scope="head")
        by_autograd = network_gradients(run, head, seen, held_out, head_alone)
        scope = "last_block" if kind == "neumann" else "network"
        wider = network_gradients(run, head, seen, held_out, InfluenceOptions(**given, scope=scope))
    torch.testing.assert_close(
        by_autograd.gradients.double(), closed.gradients, rtol=1e-3, atol=1e-6
    )
    torch.testing.assert_close(by_autograd.validation_loss.double(), closed.validation_loss)
    assert torch.isfinite(wider.gradients).all()
    assert not torch.allclose(wider.gradients, by_autograd.gradients, rtol=1e-2)


def test_evaluating_gives_back_every_modules_own_mode() -> None:
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2)))
    model[1][0].eval()
    before = [m.training for m in model.modules()]
    with pytest.raises(KeyError), evaluating(model):
        assert not any(m.training for m in model.modules())
        raise KeyError
    assert [m.training for m in model.modules()] == before
    assert sum(before) == 4


def test_a_compiled_network_runs_as_it_is_inside() -> None:
    calls = []
    model = nn.Linear(2, 2)
    model._compiled_call_impl = lambda x: calls.append(x) or x  # type: ignore[assignment]
    model(torch.ones(1, 2))
    with evaluating(model):
        model(torch.ones(1, 2))
    model(torch.ones(1, 2))
    assert len(calls) == 2
