"""Finding the classification layer, and what the tap on it remembers."""

import pytest
import torch
from torch import nn

from usb_ext.core.errors import SettingsError
from usb_ext.methods.step.head_tap import HEAD_NAMES, HeadTap, find_head
from usb_ext.upstream.nets import net_builder

CLASSES = 5


class Wrapped(nn.Module):
    """An algorithm's wrapper: the network is `backbone`, beside a head of another task."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.projection = nn.Linear(8, CLASSES)
        self.backbone = backbone


def with_layer(name: str, layer: nn.Module) -> nn.Module:
    net = nn.Module()
    net.first = nn.Linear(3, 8)
    setattr(net, name, layer)
    return net


@pytest.mark.parametrize("name", HEAD_NAMES)
def test_each_name_is_found(name: str) -> None:
    layer = nn.Linear(8, CLASSES)
    assert find_head(with_layer(name, layer), CLASSES) is layer


def test_of_a_sequential_the_last_linear_layer_counts() -> None:
    layers = nn.Sequential(nn.Linear(8, CLASSES), nn.GELU(), nn.Linear(CLASSES, CLASSES))
    assert find_head(with_layer("classifier", layers), CLASSES) is layers[2]


@pytest.mark.parametrize("name", ["wrn_10_1", "wrn_var_37_2"])
def test_usb_networks(name: str) -> None:
    net = net_builder(name)(num_classes=CLASSES)
    assert find_head(net, CLASSES) is net.classifier


@pytest.mark.parametrize("wrap", [Wrapped, nn.DataParallel, torch.compile])
def test_a_wrapped_network(wrap: object) -> None:
    net = with_layer("fc", nn.Linear(8, CLASSES))
    assert find_head(wrap(net), CLASSES) is net.fc  # type: ignore[operator]


@pytest.mark.parametrize("layer", [nn.Linear(8, CLASSES + 1), nn.Conv2d(8, CLASSES, 1)])
def test_another_width_or_kind_is_no_head(layer: nn.Module) -> None:
    with pytest.raises(
        SettingsError, match=f"{CLASSES} outputs.*named one of classifier, head, fc"
    ):
        find_head(with_layer("head", layer), CLASSES)


def test_an_attribute_that_is_no_module_is_passed_over() -> None:
    net = with_layer("fc", nn.Linear(8, CLASSES))
    net.classifier = "a name"  # type: ignore[assignment]
    assert find_head(net, CLASSES) is net.fc


def test_the_input_of_the_last_training_pass_is_remembered_with_its_graph() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, CLASSES))
    tap = HeadTap(net[2])
    assert tap.features is None
    net(torch.randn(4, 3))
    images = torch.randn(6, 3)
    net(images)
    assert tap.features is not None
    torch.testing.assert_close(tap.features, torch.tanh(net[0](images)))
    (gradient,) = torch.autograd.grad(tap.features.sum(), [net[0].bias])
    assert gradient.abs().max() > 0
    tap.labelled_rows = 2
    tap.forget()
    assert tap.features is None
    assert tap.labelled_rows is None


@pytest.mark.parametrize("announced", [6, 7])
def test_a_batch_of_labelled_rows_alone_passes_as_it_is(announced: int) -> None:
    """Also a shorter one than was announced, as in a warm-up on labelled batches."""
    torch.manual_seed(0)
    head = nn.Linear(8, CLASSES)
    features = torch.randn(6, 8)
    plain = head(features)
    tap = HeadTap(head)
    tap.grad_relu, tap.labelled_rows = True, announced
    outputs = head(features)
    assert torch.equal(outputs, plain)
    outputs.sum().backward()
    assert torch.equal(head.bias.grad, torch.full((CLASSES,), 6.0))


def test_grad_relu_keeps_its_values_under_autocast() -> None:
    torch.manual_seed(0)
    head = nn.Linear(8, CLASSES)
    features = torch.randn(6, 8, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain = head(features)
        tap = HeadTap(head)
        tap.grad_relu, tap.labelled_rows = True, 2
        cut = head(features)
    assert cut.dtype == plain.dtype == torch.bfloat16
    assert torch.equal(cut, plain)
    cut[2:].float().sum().backward()
    assert head.weight.grad.abs().max() == 0  # the labelled rows' path is there, with zeros
    assert features.grad[2:].abs().max() > 0


def test_a_network_split_over_devices_is_refused() -> None:
    """A replica of DataParallel gets a part of the rows, where the first ones are not the labelled."""
    head = nn.Linear(8, CLASSES)
    HeadTap(head)
    replica = head._replicate_for_data_parallel()
    replica.weight, replica.bias = head.weight, head.bias
    with pytest.raises(SettingsError, match="one process a device"):
        replica(torch.randn(2, 8))


def test_a_layer_that_was_not_called_has_no_inputs() -> None:
    head = nn.Linear(8, CLASSES)
    tap = HeadTap(head)
    with pytest.raises(SettingsError, match="call the layer in the network's forward"):
        tap.inputs()
    features = torch.randn(2, 8)
    head(features)
    assert tap.inputs() is features
