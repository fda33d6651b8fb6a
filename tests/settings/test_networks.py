"""What networks of timm and torchvision were made for, and words for their weights."""

import sys

import pytest

from usb_ext.core.errors import SettingsError
from usb_ext.settings import load_settings
from usb_ext.settings.networks import is_packaged, made_for

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
MADE = [
    ("timm/tf_efficientnet_lite0", 224, HALVES, False), ("timm/resnet10t.c3_in1k", 176, IMAGENET, False),
    ("timm/vit_tiny_patch16_224.augreg_in21k", 224, HALVES, True),
    ("torchvision/inception_v3", 299, IMAGENET, False), ("torchvision/vit_b_16", 224, IMAGENET, True),
]  # fmt: skip


@pytest.mark.parametrize(("net", "size", "look", "fixed"), MADE)
def test_the_configuration_says_what_images_it_was_made_for(
    net: str, size: int, look: object, fixed: bool
) -> None:
    """Numbers as the libraries' model cards have them."""
    made = made_for(net)
    assert made is not None
    assert (made.size, (made.mean, made.std), made.fixed) == (size, look, fixed)


UNKNOWN = ["wrn_28_2", "timm/nope", "timm/resnet10t.nope", "torchvision/nope", "torchvision/", "a:b",
           "torchvision/fasterrcnn_resnet50_fpn"]  # fmt: skip


@pytest.mark.parametrize("net", UNKNOWN)
def test_of_other_networks_nothing_is_said(net: str) -> None:
    assert made_for(net) is None


def test_the_size_of_images_is_the_networks_unless_it_is_given() -> None:
    net = {"net": "timm/resnet10t", "dataset": "digits"}
    assert load_settings(net).settings.img_size == 176
    assert load_settings({**net, "img_size": 64}).settings.img_size == 64
    assert load_settings({"dataset": "digits", "img_size": 48}, net).settings.img_size == 48
    assert load_settings({"dataset": "digits"}).settings.img_size == 32


def test_without_the_library_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    made_for.cache_clear()
    monkeypatch.setitem(sys.modules, "timm", None)
    assert made_for("timm/resnet10t") is None
    made_for.cache_clear()


WRONG = [
    ("timm", "wrn_28_2", "timm offers for net: timm/NAME, but net is wrn_28_2"),
    ("timm", "torchvision/resnet18", "but net is torchvision/resnet18"),
    ("torchvision", "timm/resnet10t", "torchvision offers for net: torchvision/NAME"),
    ("package", "timm/resnet10t", "holds the weights of net: timm/tf_efficientnet_lite0"),
    ("package", "wrn_28_2", "but net is wrn_28_2"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "net", "says"), WRONG)
def test_weights_of_another_network_are_refused(given: str, net: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        load_settings({"dataset": "digits", "net": net, "pretrain_path": given})


def test_words_for_weights_ask_for_them() -> None:
    for given, net in (("timm", "timm/resnet10t"), ("package", "timm/tf_efficientnet_lite0")):
        settings = load_settings({"dataset": "digits", "net": net, "pretrain_path": given}).settings
        assert settings.use_pretrain
    assert is_packaged("timm/tf_efficientnet_lite0.in1k")
    assert not is_packaged("tf_efficientnet_lite0") and not is_packaged("timm/efficientnet_lite0")
