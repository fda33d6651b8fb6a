"""Which network a run gets, with which weights, and who loads them."""

from pathlib import Path
from typing import Any

import pytest
import torch

from usb_ext.core.errors import DataMissing, SettingsError
from usb_ext.engine import network
from usb_ext.engine.network import builder, evaluated_network
from usb_ext.settings import Settings, load_settings
from usb_ext.upstream.nets import wrn_10_1


def test_a_file_fills_the_network_where_it_is_asked_for(tmp_path: Path) -> None:
    torch.manual_seed(1)
    state = wrn_10_1(num_classes=3).state_dict()
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    build = builder(Settings(net="wrn_10_1"))
    torch.manual_seed(2)
    plain = build(num_classes=5, pretrained_path=str(path))
    filled = build(num_classes=5, pretrained=True, pretrained_path=str(path))
    for name, value in filled.state_dict().items():
        if name.startswith("classifier"):
            assert len(value) == 5
        else:
            assert torch.equal(value, state[name]), name
    assert not torch.equal(plain.state_dict()["conv1.weight"], state["conv1.weight"])
    with pytest.raises(DataMissing, match="none.pth"):
        build(num_classes=5, pretrained=True, pretrained_path=str(tmp_path / "none.pth"))


def test_text_networks_come_from_the_hub_or_the_folder_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(network, "text_net", lambda *words: asked.append(words))
    given = {"dataset": "aclImdb", "net": "bert_base_uncased", "use_cat": False}
    for path in (None, "my/bert"):
        settings = load_settings({**given, "pretrain_path": path}).settings
        builder(settings)(num_classes=4, pretrained=True)
    assert asked == [("bert_base_uncased", 4, None), ("bert_base_uncased", 4, "my/bert")]


def test_audio_networks_load_their_own_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        network,
        "net_builder",
        lambda name, size, features, transform: lambda **words: (name, words),
    )
    settings = load_settings({"dataset": "esc50", "net": "hubert_base", "use_cat": False}).settings
    words = {"num_classes": 4, "pretrained": True, "pretrained_path": "folder"}
    assert builder(settings)(**words) == ("hubert_base", words)


def checkpoint_of(net: torch.nn.Module, prefix: str = "", **more: torch.Tensor) -> dict[str, Any]:
    """The keys of a checkpoint that evaluation reads, its averages twice the network's weights."""
    trained = {f"{prefix}{name}": value for name, value in net.state_dict().items()} | more
    return {"model": trained, "ema_model": {n: 2 * v for n, v in trained.items()}, "it": 8}


@pytest.mark.parametrize(
    ("prefix", "changed"),
    [
        ("", {"algorithm": "fixmatch"}),
        ("backbone.", {"algorithm": "simmatch"}),
        ("backbone.", {"algorithm": "crmatch"}),
        ("backbone.backbone.", {"algorithm": "remixmatch", "imb_algorithm": "cossl"}),
    ],
    ids=str,
)
def test_a_checkpoint_gives_its_averages_out_of_any_wrapping(
    prefix: str, changed: dict[str, Any]
) -> None:
    torch.manual_seed(1)
    net = wrn_10_1(num_classes=3)
    head = {
        "teacher_classifier.weight": torch.ones(3, 64),
        "teacher_classifier.bias": torch.ones(3),
    }
    settings = load_settings(
        {"net": "wrn_10_1", "num_classes": 3, "num_labels": 3}, changed
    ).settings
    state = checkpoint_of(net, prefix, **(head if settings.imb_algorithm else {}))
    found = evaluated_network(settings, state)
    inner = getattr(found, "network", found)
    buffers = {name for name, _ in net.named_buffers()}
    for name, value in inner.state_dict().items():
        wanted = net.state_dict()[name] * (1 if name in buffers else 2)
        assert torch.equal(value, wanted), name
    if settings.imb_algorithm:
        outputs = found(torch.zeros(2, 3, 16, 16))
        expected = 2 * outputs["feat"].sum(dim=1, keepdim=True) + 2
        torch.testing.assert_close(outputs["logits"], expected.expand(2, 3))
    assert not any(module.training for module in found.modules())


def test_weights_of_another_network_are_named() -> None:
    state = checkpoint_of(wrn_10_1(num_classes=4))
    with pytest.raises(SettingsError) as caught:
        evaluated_network(load_settings({"net": "wrn_10_1", "num_labels": 10}).settings, state)
    assert str(caught.value) == (
        "its weights are not those of net wrn_10_1 with 10 classes: keys 2 of another shape "
        "(classifier.bias, classifier.weight); give the run its own network back"
    )
