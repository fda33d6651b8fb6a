"""Which network a run gets, with which weights, and who loads them."""

from pathlib import Path
from typing import Any

import pytest
import torch

from usb_ext.core.errors import DataMissing
from usb_ext.engine import network
from usb_ext.engine.network import builder
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
    monkeypatch.setattr(network, "net_builder", lambda name: lambda **words: (name, words))
    settings = load_settings({"dataset": "esc50", "net": "hubert_base", "use_cat": False}).settings
    words = {"num_classes": 4, "pretrained": True, "pretrained_path": "folder"}
    assert builder(settings)(**words) == ("hubert_base", words)
