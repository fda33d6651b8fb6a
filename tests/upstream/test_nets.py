"""Networks by name: USB's, our small one, and the user's own."""

from pathlib import Path

import pytest
import torch
from torch import nn

from usb_ext.core.errors import SettingsError
from usb_ext.upstream.nets import TEXT_AND_AUDIO, ResNet50, net_builder, net_names, wrn_10_1


def conv(inputs: int, outputs: int, size: int) -> int:
    """Weights of a convolution."""
    return inputs * outputs * size * size


def expected_parameters(classes: int) -> int:
    """WideResNet-10-1 counted by hand: three stages of one block, widths 16, 32 and 64."""
    total = conv(3, 16, 3) + 16  # the first one alone has a bias
    for inputs, outputs in ((16, 16), (16, 32), (32, 64)):
        total += 2 * inputs + conv(inputs, outputs, 3)  # batch norm, convolution
        total += 2 * outputs + conv(outputs, outputs, 3)
        total += conv(inputs, outputs, 1) if inputs != outputs else 0
    return total + 2 * 64 + 64 * classes + classes


@pytest.mark.parametrize("classes", [2, 10])
def test_our_small_network(classes: int) -> None:
    net = wrn_10_1(classes)
    assert sum(p.numel() for p in net.parameters()) == expected_parameters(classes)
    out = net(torch.randn(2, 3, 16, 12))
    assert out["logits"].shape == (2, classes)
    assert out["feat"].shape == (2, 64)
    wanted = out["feat"] @ net.classifier.weight.T + net.classifier.bias
    torch.testing.assert_close(out["logits"], wanted)


def test_names_are_usbs_and_ours() -> None:
    names = net_names()
    assert names == sorted(set(names))
    known = {"wrn_10_1", "wrn_28_2", "wrn_var_37_2", "resnet50", "vit_tiny_patch2_32"}
    assert known | set(TEXT_AND_AUDIO) <= set(names)


@pytest.mark.parametrize("name", ["wrn_28_2", "vit_tiny_patch2_32"])
def test_a_network_of_usb_is_built_without_weights(name: str) -> None:
    net = net_builder(name)(num_classes=7, pretrained=False, pretrained_path=None)
    assert [m.out_features for m in net.modules() if isinstance(m, nn.Linear)][-1] == 7


@pytest.mark.parametrize("name", ["wrn_28", "WideResNet", "__doc__", ""])
def test_an_unknown_name_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        net_builder(name)
    assert f"net is {name!r}" in str(caught.value)
    assert "wrn_28_2" in str(caught.value) and "package.module:function" in str(caught.value)


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "users_own_nets.py").write_text(
        "import torch\n"
        "def tiny(num_classes):\n    return torch.nn.Linear(3, num_classes)\n"
        "def not_a_network(num_classes):\n    return num_classes\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return "users_own_nets"


def test_a_network_of_the_user_is_called_with_the_classes_alone(own_module: str) -> None:
    net = net_builder(f"{own_module}:tiny")(num_classes=4, pretrained=True, pretrained_path="x")
    out = net(torch.randn(2, 3))
    assert out["logits"].shape == (2, 4) and out["feat"].shape == (2, 3)


@pytest.mark.parametrize("name", ["no_such_module:f", "{own}:missing", ":f", "{own}:", ".a:f"])
def test_one_that_cannot_be_imported_is_refused(own_module: str, name: str) -> None:
    name = name.replace("{own}", own_module)
    with pytest.raises(SettingsError, match="which cannot be imported"):
        net_builder(name)


@pytest.mark.parametrize("name", ["resnet50", "wrn_10_1", "wrn_28_2", "vit_tiny_patch2_32"])
def test_a_network_answers_for_its_features_and_its_head_alone(name: str) -> None:
    """As CoMatch, SimMatch and MixMatch's kin ask: both parts in a row are the whole."""
    torch.manual_seed(0)
    net = net_builder(name)(num_classes=3, pretrained=False, pretrained_path=None).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        whole, feat = net(images), net(images, only_feat=True)
        assert torch.equal(feat, whole["feat"]) and feat.shape == (2, net.num_features)
        assert torch.equal(net(feat, only_fc=True), whole["logits"])


def test_the_weights_of_usbs_resnet_keep_their_names() -> None:
    with torch.device("meta"):
        ours = net_builder("resnet50")(num_classes=3, pretrained=False, pretrained_path=None)
        usbs = ResNet50(num_classes=3)
    assert list(ours.state_dict()) == list(usbs.state_dict())
    assert ours.no_weight_decay() == usbs.no_weight_decay()
