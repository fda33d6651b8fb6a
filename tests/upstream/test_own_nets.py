"""A network of the user's: only what makes one is called, and logits alone are enough."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from usb_ext.core.errors import SettingsError
from usb_ext.methods.step.head_tap import find_head
from usb_ext.settings import load_settings
from usb_ext.upstream.nets import net_builder
from usb_ext.upstream.own_nets import own_builder

MODULE = """
from torch import nn

class Plain(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU())
        self.fc = nn.Linear(5, num_classes)
    def forward(self, x):
        return self.fc(self.body(x))

class Dict(Plain):
    def forward(self, x):
        return {"logits": super().forward(x)}

class Pair(Plain):
    def forward(self, x):
        return super().forward(x), x

class NoLogits(Plain):
    def forward(self, x):
        return {"out": super().forward(x)}

class Headless(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.body = nn.Conv2d(3, num_classes, 2)
    def forward(self, x):
        return self.body(x).flatten(1)

def plain(num_classes, width=3): return Plain(num_classes)
def number(num_classes): return num_classes
def fails(num_classes): raise ValueError("no such\\nwidth")
def other(classes): return Plain(classes)
THING = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "nets_of_a_user.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "nets_of_a_user"


@pytest.mark.parametrize("name", ["Plain", "plain", "Dict"])
def test_logits_alone_are_given_the_interface_of_usbs_networks(own: str, name: str) -> None:
    torch.manual_seed(0)
    net: Any = net_builder(f"{own}:{name}")(num_classes=4)
    x = torch.randn(3, 3, 2, 2)
    feat = net.net.body(x)
    for each in (net, copy.deepcopy(net)):
        out = each(x)
        assert torch.equal(out["feat"], feat) and torch.equal(out["logits"], net.net.fc(feat))
        assert torch.equal(each(x, only_feat=True), feat)
        assert torch.equal(each(feat, only_fc=True), out["logits"])
        assert each.num_features == 5
    copied = copy.deepcopy(net)
    copied.net.fc.weight.data.zero_()
    assert not torch.equal(copied(x)["logits"], net(x)["logits"])


CALLED = ["os:system", "builtins:print", "builtins:dict", "shutil:rmtree", "json:loads", "{own}:THING",
          "{own}:other", "subprocess:Popen"]  # fmt: skip


@pytest.mark.parametrize("name", CALLED)
def test_what_makes_no_network_is_not_called(own: str, name: str) -> None:
    with pytest.raises(SettingsError, match="which (is no class|does not take num_classes)"):
        own_builder(name.replace("{own}", own))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("number", "gives a int; it must give a torch.nn.Module"),
        ("fails", r"cannot be built with num_classes=4 \(ValueError: no such\)"),
        ("Headless", "ends in no torch.nn.Linear with 4 outputs"),
    ],
)
def test_what_is_no_network_is_refused_in_one_line(own: str, name: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        own_builder(f"{own}:{name}")(num_classes=4)
    assert "\n" not in str(caught.value)


def test_a_module_beside_the_settings_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setattr(sys, "path", list(sys.path))
    folder = tmp_path / "beside"
    folder.mkdir()
    (folder / "nets_beside.py").write_text(MODULE)
    (folder / "c.yaml").write_text("net: nets_beside:Plain\nnum_classes: 4\n")
    load_settings(folder / "c.yaml")
    assert isinstance(net_builder("nets_beside:Plain")(num_classes=4), nn.Module)
    assert sys.path.index(str(folder)) > 0  # after all others: nothing is taken in their place


@pytest.mark.parametrize(("name", "kind"), [("Pair", "tuple"), ("NoLogits", "dict")])
def test_an_output_without_logits_is_refused_in_one_line(own: str, name: str, kind: str) -> None:
    net = net_builder(f"{own}:{name}")(num_classes=4)
    with pytest.raises(SettingsError, match=f"{name} gives a {kind}; return the logits, or a dict"):
        net(torch.zeros(2, 3, 2, 2))


def test_the_head_of_a_wrapped_network_is_found_whatever_it_is_called(own: str) -> None:
    """Grad-ReLU's and influence's search, and none of the wrapper's tensors stands twice."""
    net: Any = net_builder(f"{own}:Plain")(num_classes=4)
    net.net.last = net.net.fc
    del net.net.fc
    net.head = "last"
    assert find_head(net, 4) is net.net.last
    assert set(net.state_dict()) == {f"net.{name}" for name in net.net.state_dict()}
