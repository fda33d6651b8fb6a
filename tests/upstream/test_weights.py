"""Pre-trained weights fill the network below its head, or are refused with the reason."""

import logging
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from usb_ext.core.errors import DataMissing
from usb_ext.upstream.nets import wrn_10_1
from usb_ext.upstream.weights import load_pretrained

CLASSES = 3


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path) -> Iterator[Path]:
    """torch's cache of fetched files, apart from the user's."""
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path / "hub"))
    yield tmp_path / "hub" / "checkpoints"
    torch.hub.set_dir(before)


def network(seed: int, classes: int = CLASSES) -> nn.Module:
    torch.manual_seed(seed)
    return wrn_10_1(classes)


def state(seed: int, classes: int = CLASSES) -> dict[str, torch.Tensor]:
    return dict(network(seed, classes).state_dict())


def saved(path: Path, content: object) -> str:
    torch.save(content, path)
    return str(path)


def refused(net: nn.Module, source: str) -> str:
    """The message of a refusal, which leaves the network as it was."""
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(DataMissing) as caught:
        load_pretrained(net, source)
    assert caught.value.exit_code == 3
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    message = str(caught.value)
    assert source in message and "\n" not in message
    return message


def assert_filled(net: nn.Module, wanted: dict[str, torch.Tensor], fresh: dict[str, Any]) -> None:
    """Everything is as wanted but for the head, which is as it was."""
    for key, value in net.state_dict().items():
        source = fresh if key.startswith("classifier.") else wanted
        assert torch.equal(value, source[key]), key


@pytest.mark.parametrize("classes", [CLASSES, 1000])
@pytest.mark.parametrize("wrap", ["plain", "model", "state_dict", "module.", "model, module."])
def test_every_common_kind_of_file_fills_all_but_the_head(
    tmp_path: Path, wrap: str, classes: int
) -> None:
    wanted = state(1, classes)
    content: dict[str, Any] = {
        (f"module.{k}" if "module." in wrap else k): v for k, v in wanted.items()
    }
    for key in ("model", "state_dict"):
        content = {"epoch": 3, key: content} if key in wrap else content
    net, fresh = network(2), state(2)
    assert load_pretrained(net, saved(tmp_path / "w.pth", content)) is net
    assert_filled(net, wanted, fresh)


def test_the_counters_of_batch_norm_and_what_is_no_tensor_may_be_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = state(1)
    given = {k: v for k, v in wanted.items() if not k.endswith("num_batches_tracked")}
    net, fresh = network(2), state(2)
    load_pretrained(net, saved(tmp_path / "w.pth", {**given, "arch": "wrn", "epoch": 3}))
    assert_filled(net, wanted, fresh)
    assert caplog.records == []


def test_small_gaps_are_named_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given = state(1)
    del given["bn1.weight"]
    given |= {f"decoder.{i}": torch.zeros(1) for i in range(6)}
    net = network(2)
    gap = net.get_parameter("bn1.weight").numel()
    total = sum(v.numel() for k, v in state(2).items() if not k.startswith("classifier."))
    with caplog.at_level(logging.WARNING):
        load_pretrained(net, saved(tmp_path / "w.pth", given))
    (text,) = [r.getMessage() for r in caplog.records]
    assert f"fill {100 * (1 - gap / total):.1f}% of the network" in text
    assert "1 missing (bn1.weight)" in text
    assert "6 not of this network (decoder.0, decoder.1, decoder.2, decoder.3, ...)" in text


def test_a_file_of_another_network_is_refused_with_the_share(tmp_path: Path) -> None:
    message = refused(network(2), saved(tmp_path / "w.pth", nn.Linear(5, 5).state_dict()))
    assert "fill 0% of the network" in message
    assert "2 not of this network (bias, weight)" in message
    assert "--net" in message


def test_a_file_that_fills_too_little_is_refused(tmp_path: Path) -> None:
    given = state(1)
    total = sum(v.numel() for k, v in given.items() if not k.startswith("classifier."))
    largest = max(given, key=lambda k: given[k].numel())
    share = 1 - given.pop(largest).numel() / total
    assert 0.4 < share < 0.9
    message = refused(network(2), saved(tmp_path / "w.pth", given))
    assert f"fill {share:.0%} of the network: keys 1 missing ({largest})" in message


def test_a_head_alone_fills_nothing(tmp_path: Path) -> None:
    head = {k: v for k, v in state(1).items() if k.startswith("classifier.")}
    assert "fill 0% of the network" in refused(network(2), saved(tmp_path / "w.pth", head))


def test_weights_of_another_shape_are_refused_and_named(tmp_path: Path) -> None:
    given = state(1)
    given["bn1.weight"] = torch.ones(7)
    message = refused(network(2), saved(tmp_path / "w.pth", given))
    assert "1 of another shape (bn1.weight)" in message


@pytest.mark.parametrize("content", [[torch.zeros(1)], torch.zeros(2), {"model": {}}, {1: 2}])
def test_a_file_without_weights_is_refused(tmp_path: Path, content: object) -> None:
    refused(network(2), saved(tmp_path / "w.pth", content))


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n", b"\x80"])
def test_a_file_that_is_no_weights_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    assert "cannot be read" in refused(network(2), str(path))


def test_a_file_that_would_run_code_is_refused_with_the_name_of_what_it_holds(
    tmp_path: Path,
) -> None:
    source = saved(tmp_path / "w.pth", {"model": state(1), "args": SimpleNamespace(lr=1)})
    message = refused(network(2), source)
    assert "cannot be read" in message and "types.SimpleNamespace" in message
    assert "weights_only=False" in message and "\x1b" not in message


def test_the_parsed_arguments_beside_the_weights_do_no_harm(tmp_path: Path) -> None:
    wanted = state(1)
    net, fresh = network(2), state(2)
    load_pretrained(
        net, saved(tmp_path / "w.pth", {"model": wanted, "args": Namespace(lr=1, out=None)})
    )
    assert_filled(net, wanted, fresh)


PREFIXES = (
    "module.", "backbone.", "module.encoder_q.", "module.encoder.", "encoder.", "model.", "_orig_mod.",
    "student.backbone.", "anything.at.all.",
)  # fmt: skip


@pytest.mark.parametrize("key", ["", "state_dict", "model", "teacher", "net", "weights"])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_weights_below_a_prefix_and_a_key_are_found_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, prefix: str, key: str
) -> None:
    wanted = state(1)
    content: dict[str, Any] = {prefix + k: v for k, v in wanted.items()}
    net, fresh = network(2), state(2)
    with caplog.at_level(logging.INFO):
        load_pretrained(
            net, saved(tmp_path / "w.pth", {"epoch": 3, key: content} if key else content)
        )
    assert_filled(net, wanted, fresh)
    number = sum(not k.startswith("classifier.") and "num_batches" not in k for k in wanted)
    assert f"{number} of {number} tensors loaded (below {prefix!r}" in caplog.text
    assert not key or f"in {key!r}" in caplog.text


def test_of_two_networks_in_a_file_the_usual_one_is_taken(tmp_path: Path) -> None:
    """MoCo holds the key's encoder beside the query's, DINO a student beside its teacher."""
    query, other = state(1), state(3)
    moco = {f"module.encoder_k.{k}": v for k, v in other.items()}
    moco |= {f"module.encoder_q.{k}": v for k, v in query.items()}
    dino = {"student": other, "teacher": query}
    for name, content in (("moco", {"state_dict": moco}), ("dino", dino)):
        net, fresh = network(2), state(2)
        load_pretrained(net, saved(tmp_path / f"{name}.pth", content))
        assert_filled(net, query, fresh)


SAVED_AS = {
    "EMAN": ("state_dict", "module.online_net.backbone.", "module.target_net.backbone."),
    "MoCo": ("state_dict", "module.encoder_q.", "module.encoder_k."),
    "MoCo v3": ("state_dict", "module.base_encoder.", "module.momentum_encoder."),
    "BYOL": ("", "online_encoder.net.", "target_encoder.net."),
    "FixMatch with EMAN": ("state_dict", "module.main.", "module.ema."),
    "lightly's MoCo and BYOL": ("state_dict", "backbone.", "backbone_momentum."),
    "lightly's DINO": ("state_dict", "teacher_backbone.", "student_backbone."),
    "DINO": ("teacher", "backbone.", ""),
}
"""Key, prefix of the weights that are meant, and prefix of the other copy, as their makers save them."""


@pytest.mark.parametrize("maker", SAVED_AS)
def test_weights_as_their_makers_save_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, maker: str
) -> None:
    """Beside the network lie its copy, a projector and a queue; the copy comes first and is passed over."""
    key, prefix, other = SAVED_AS[maker]
    wanted = state(1)
    inside = {f"{other}{k}": v for k, v in state(3).items()} if other else {}
    inside |= {f"{prefix}{k}": v for k, v in wanted.items()}
    inside |= {"projector.0.weight": torch.zeros(4, 4), "queue": torch.zeros(3, 8)}
    content = {"epoch": 3, key: inside} if key else inside
    if maker == "DINO":
        content["student"] = {f"module.backbone.{k}": v for k, v in state(3).items()}
    net, fresh = network(2), state(2)
    with caplog.at_level(logging.INFO):
        load_pretrained(net, saved(tmp_path / "w.pth", content))
    assert_filled(net, wanted, fresh)
    (said,) = [r.getMessage() for r in caplog.records]
    number = sum(not k.startswith("classifier.") and "num_batches" not in k for k in wanted)
    assert f"{number} of {number} tensors loaded (below {prefix!r}" in said
    assert f"; not below {other or 'module.backbone.'!r}" in said


@pytest.mark.parametrize("prefix", ["backbone.", ""])
def test_layers_by_number_are_found_as_lightly_has_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, prefix: str
) -> None:
    """Its examples train `nn.Sequential(*list(net.children())[:-1])`, which drops the names."""
    given = network(1)
    body = nn.Sequential(*list(given.children())[:-1])
    content = {prefix + k: v for k, v in body.state_dict().items()}
    net, fresh = network(2), state(2)
    with caplog.at_level(logging.INFO):
        load_pretrained(net, saved(tmp_path / "w.pth", {"state_dict": content}))
    assert_filled(net, dict(given.state_dict()), fresh)
    assert "by number)" in caplog.text and "WARNING" not in caplog.text


class NamedBody(nn.Module):
    """A body whose name is that of other networks' heads."""

    def __init__(self, body: str) -> None:
        super().__init__()
        self.add_module(body, nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 5)))
        self.classifier = nn.Linear(5, CLASSES)


@pytest.mark.parametrize("body", ["mlp", "fc", "head", "fc_body", "headless"])
def test_a_body_of_a_heads_name_is_filled(tmp_path: Path, body: str) -> None:
    given, net = NamedBody(body), NamedBody(body)
    fresh = {k: v.clone() for k, v in net.state_dict().items()}
    load_pretrained(net, saved(tmp_path / "w.pth", given.state_dict()), CLASSES)
    assert_filled(net, dict(given.state_dict()), fresh)
    message = refused(
        NamedBody(body), saved(tmp_path / "foreign.pth", {"foo.weight": torch.zeros(3)})
    )
    assert "fill 0% of the network" in message and f"{body}.0.bias" in message


@pytest.mark.parametrize("path", ["no/such/file.pth", "", "."])
def test_a_missing_file_is_named(path: str) -> None:
    message = refused(network(2), path)
    assert repr(path) in message and "--use_pretrain false" in message


@pytest.mark.parametrize("scheme", ["http://127.0.0.1:9", "file:///no/such/folder"])
def test_an_address_that_cannot_be_fetched_says_where_to_put_the_file(
    scheme: str, own_cache: Path
) -> None:
    message = refused(network(2), f"{scheme}/x.pth")
    assert "could not be fetched" in message
    assert str(own_cache / "x.pth") in message and "--pretrain_path" in message


def test_an_address_that_gives_a_page_instead_of_weights_names_both(
    tmp_path: Path, own_cache: Path
) -> None:
    (tmp_path / "page.pth").write_text("<!DOCTYPE html>")
    message = refused(network(2), (tmp_path / "page.pth").as_uri())
    assert "could not be fetched" in message and str(own_cache / "page.pth") in message


def test_a_file_put_there_is_found(own_cache: Path) -> None:
    own_cache.mkdir(parents=True)
    wanted = state(1)
    saved(own_cache / "x.pth", wanted)
    net, fresh = network(2), state(2)
    load_pretrained(net, "http://127.0.0.1:9/x.pth")
    assert_filled(net, wanted, fresh)


def test_an_address_that_can_be_fetched_is(tmp_path: Path) -> None:
    wanted = state(1)
    saved(tmp_path / "there.pth", wanted)
    net, fresh = network(2), state(2)
    load_pretrained(net, (tmp_path / "there.pth").as_uri())
    assert_filled(net, wanted, fresh)


class Positions(nn.Module):
    """A class token and a grid of `side` x `side` positions, and enough else to be filled."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + side * side, 4))
        self.body = nn.Linear(40, 40)


def test_position_embeddings_of_another_image_size_are_resized(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small, large = Positions(3), Positions(5)
    load_pretrained(large, saved(tmp_path / "w.pth", small.state_dict()))
    given = small.pos_embed.detach()
    assert torch.equal(large.pos_embed[:, 0], given[:, 0])
    grid = given[:, 1:].reshape(1, 3, 3, 4).permute(0, 3, 1, 2)
    resized = F.interpolate(grid, size=(5, 5), mode="bicubic", align_corners=False)
    wanted = resized.permute(0, 2, 3, 1).reshape(1, 25, 4)
    torch.testing.assert_close(large.pos_embed[:, 1:].detach(), wanted)


def test_positions_of_the_same_shape_are_copied_whatever_they_mean(tmp_path: Path) -> None:
    """Two tokens and a grid, say, which could not be resized."""
    given, net = Positions(3), Positions(3)
    for each in (given, net):
        each.pos_embed = nn.Parameter(torch.randn(1, 2 + 9, 4))
    load_pretrained(net, saved(tmp_path / "w.pth", given.state_dict()))
    assert torch.equal(net.pos_embed, given.pos_embed)


def test_positions_for_a_network_without_them_are_only_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = {**state(1), "pos_embed": torch.zeros(1, 5, 4)}
    load_pretrained(network(2), saved(tmp_path / "w.pth", content))
    assert "1 not of this network (pos_embed)" in caplog.text


@pytest.mark.parametrize("shape", [(1, 12, 4), (1, 10, 5), (10, 4)])
def test_positions_that_cannot_be_resized_are_of_another_shape(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    given = {**Positions(3).state_dict(), "pos_embed": torch.zeros(shape)}
    message = refused(Positions(5), saved(tmp_path / "w.pth", given))
    assert "1 of another shape (pos_embed)" in message


def test_weights_with_a_flipped_bit_are_refused(tmp_path: Path) -> None:
    """torch reads them as they are."""
    source = Path(saved(tmp_path / "w.pth", state(1)))
    content = bytearray(source.read_bytes())
    content[content.index(state(1)["conv1.weight"].numpy().tobytes()) + 7] ^= 1
    source.write_bytes(content)
    assert "the checksum of its part" in refused(network(0), str(source))
