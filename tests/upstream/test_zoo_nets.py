"""Image classifiers of timm and torchvision with USB's interface, by their libraries' own answers."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from usb_ext.core.errors import SettingsError
from usb_ext.methods.step.head_tap import HeadTap, find_head
from usb_ext.upstream.nets import net_builder
from usb_ext.upstream.usb import get_optimizer
from usb_ext.upstream.zoo_nets import is_zoo

CLASSES = 5
KEPT = [
    ("timm/resnet10t", 32), ("timm/tf_efficientnet_lite0", 32), ("timm/vit_tiny_patch16_224", 32),
    ("timm/convnext_atto", 32), ("timm/mobilenetv3_small_050", 32), ("torchvision/shufflenet_v2_x0_5", 32),
]  # fmt: skip
REPLACED = [("timm/dla46x_c", 32), ("timm/efficientformerv2_s0", 224), ("timm/repvit_m0_9", 32)]


def built(name: str, size: int) -> Any:
    torch.manual_seed(0)
    return net_builder(name, size)(num_classes=CLASSES, pretrained=True, pretrained_path="x").eval()


@pytest.mark.parametrize(("name", "size"), KEPT)
def test_logits_are_the_librarys_and_features_are_what_the_head_gets(name: str, size: int) -> None:
    net, x = built(name, size), torch.randn(2, 3, size, size)
    with torch.no_grad():
        out, wanted = net(x), net.net(x)
        torch.testing.assert_close(out["logits"], wanted)
        head = find_head(net, CLASSES)
        torch.testing.assert_close(F.linear(out["feat"], head.weight, head.bias), wanted)
        assert torch.equal(net(x, only_feat=True), out["feat"])
        assert torch.equal(net(out["feat"], only_fc=True), out["logits"])
    assert out["feat"].shape == (2, net.num_features)
    assert head.out_features == CLASSES and any(head is part for part in net.net.modules())


@pytest.mark.parametrize(("name", "size"), REPLACED)
def test_a_head_that_is_no_linear_layer_is_replaced_by_one(name: str, size: int) -> None:
    net, x = built(name, size), torch.randn(2, 3, size, size)
    with torch.no_grad():
        out = net(x)
        wanted = net.net.forward_head(net.net.forward_features(x), pre_logits=True)
    head = find_head(net, CLASSES)
    torch.testing.assert_close(out["feat"], wanted)
    torch.testing.assert_close(out["logits"], F.linear(wanted, head.weight, head.bias))
    assert out["logits"].shape == (2, CLASSES) and out["feat"].shape == (2, net.num_features)
    linears = [m for m in net.net.modules() if isinstance(m, nn.Linear)]
    assert CLASSES not in {m.out_features for m in linears}  # the old one is gone


def test_squeezenet_ends_in_a_linear_layer_on_the_mean_of_its_maps() -> None:
    net, x = built("torchvision/squeezenet1_1", 64), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        out, wanted = net(x), net.net.features(x).mean(dim=(2, 3))
    torch.testing.assert_close(out["feat"], wanted)
    assert find_head(net, CLASSES).in_features == 512 == net.num_features


@pytest.mark.parametrize(("name", "size"), [*KEPT, REPLACED[0]])
def test_grad_relu_keeps_pseudo_labels_out_of_the_head_alone(name: str, size: int) -> None:
    """The head's gradient is that of the labelled rows; the network's below it is that of all rows."""
    plain = built(name, size)
    tapped = copy.deepcopy(plain)
    x, y = torch.randn(4, 3, size, size), torch.tensor([0, 1, 2, 3])
    tap = HeadTap(find_head(tapped, CLASSES))
    tap.grad_relu, tap.labelled_rows = True, 2
    tap.head.train()
    F.cross_entropy(tapped(x)["logits"], y, reduction="sum").backward()
    F.cross_entropy(plain(x)["logits"], y, reduction="sum").backward()
    head = find_head(plain, CLASSES)
    below = [p for p in plain.parameters() if all(p is not h for h in head.parameters())]
    mine = [p for p in tapped.parameters() if all(p is not h for h in tap.head.parameters())]
    for wanted, found in zip(below, mine, strict=True):
        assert (wanted.grad is None) == (found.grad is None)
        if wanted.grad is not None:
            torch.testing.assert_close(found.grad, wanted.grad, rtol=1e-3, atol=1e-4)
    features = tap.inputs().detach()
    logits = F.linear(features[:2], head.weight, head.bias)
    slopes = torch.softmax(logits, dim=1) - F.one_hot(y[:2], CLASSES)
    torch.testing.assert_close(tap.head.weight.grad, slopes.T @ features[:2], rtol=1e-3, atol=1e-4)


DEPTHS = {
    "timm/vit_tiny_patch16_224": [("net.cls_token", 0), ("net.blocks.0.", 1), ("net.blocks.11.", 12),
                                  ("net.norm.", 12), ("net.head.", 13)],
    "torchvision/resnet18": [("net.conv1.", 0), ("net.layer1.0.", 2), ("net.layer4.1.", 9), ("net.fc.", 10)],
}  # fmt: skip


@pytest.mark.parametrize("name", DEPTHS)
@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_layer_decay_shrinks_the_rate_from_the_head_down(name: str, prefix: str) -> None:
    """A layer k below the head learns at lr * 0.5^k; names may stand below an algorithm's prefix."""
    net: Any = built(name, 32)
    module = net
    if prefix:
        module = nn.Module()
        module.backbone = net
        module.group_matcher = lambda coarse: net.group_matcher(coarse, prefix="backbone.")
    names = {id(p): n.removeprefix(prefix) for n, p in module.named_parameters()}
    optimizer = get_optimizer(module, "SGD", lr=1.0, weight_decay=0.1, layer_decay=0.5)
    rate = {names[id(p)]: g["lr"] for g in optimizer.param_groups for p in g["params"]}
    assert rate.keys() == set(names.values())
    last = max(depth for _, depth in DEPTHS[name])
    for beginning, depth in DEPTHS[name]:
        found = {rate[n] for n in rate if n.startswith(beginning)}
        assert found == {0.5 ** (last - depth)}, (beginning, found)


def test_positions_are_left_out_of_weight_decay_as_timm_says() -> None:
    net: Any = built("timm/vit_tiny_patch16_224", 32)
    assert {"net.pos_embed", "net.cls_token"} <= net.no_weight_decay()
    found = get_optimizer(net, "SGD", lr=1.0, weight_decay=0.1)
    free = next(g["params"] for g in found.param_groups if g["weight_decay"] == 0)
    assert any(p is net.net.pos_embed for p in free)


UNKNOWN = [
    ("timm/resnet10", "did you mean timm/resnet1"), ("timm/resnet10t.nope", "timm does not have"),
    ("torchvision/fasterrcnn_resnet50_fpn", "torchvision does not have"), ("timm/", "timm does not have"),
    ("torchvision/resnet1", "did you mean torchvision/resnet1"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "says"), UNKNOWN)
def test_an_unknown_name_is_refused_in_one_line(name: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        net_builder(name)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_timms_tag_of_weights_may_stand_behind_the_name() -> None:
    assert built("timm/resnet10t.c3_in1k", 32).num_features == 512
    assert is_zoo("timm/x") and not is_zoo("timm:x") and not is_zoo("wrn_10_1")


def test_a_size_that_a_network_cannot_be_built_for_is_refused() -> None:
    with pytest.raises(SettingsError, match="cannot be built for 5 classes and images of 8 pixels"):
        built("torchvision/vit_b_32", 8)
