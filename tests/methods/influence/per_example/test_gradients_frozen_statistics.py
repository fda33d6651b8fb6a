"""Batch norm held at the statistics of one batch."""

import pytest
import torch
from support.nets import images_and_labels, prepared
from torch import nn

from usb_ext.methods.influence.per_example.gradients import frozen_statistics, per_example_gradients
from usb_ext.upstream.nets import wrn_10_1


def test_outputs_are_those_of_training_mode_and_everything_comes_back() -> None:
    torch.manual_seed(0)
    net = prepared(wrn_10_1(num_classes=3)).train()
    images, _ = images_and_labels(5, 8)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with frozen_statistics(net, lambda: net(images)):
        frozen = net(images)["logits"]
        assert all(torch.equal(v, before[k]) for k, v in net.named_parameters())
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert all(m.training for m in net.modules())
    torch.testing.assert_close(frozen, net(images)["logits"])


def test_gradients_of_an_example_take_the_statistics_as_constants() -> None:
    """y = w (x - m) / s + b with m and s of the batch, differentiated by hand."""
    norm = nn.BatchNorm1d(2, eps=0.0).double().train()
    x = torch.tensor([[1.0, 0.0], [3.0, 2.0], [8.0, 1.0]], dtype=torch.float64)

    def losses(net: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = net(batch).square().sum(1) / 2
        return found

    with frozen_statistics(norm, lambda: norm(x)):
        found = per_example_gradients(norm, losses, x)
    mean = torch.tensor([4.0, 1.0], dtype=torch.float64)
    deviation = torch.tensor([26 / 3, 2 / 3], dtype=torch.float64).sqrt()
    normal = (x - mean) / deviation
    torch.testing.assert_close(found["weight"], normal.square())
    torch.testing.assert_close(found["bias"], normal)


def test_an_error_inside_leaves_no_trace() -> None:
    norm = nn.BatchNorm2d(3)
    mean = norm.running_mean
    with pytest.raises(KeyError), frozen_statistics(norm, lambda: norm(torch.randn(2, 3, 4, 4))):
        raise KeyError
    assert norm.running_mean is mean and norm.training and not norm._forward_pre_hooks
    with pytest.raises(RuntimeError), frozen_statistics(norm, lambda: norm(torch.ones(2, 5, 4, 4))):
        pass
    assert norm.running_mean is mean and not norm._forward_pre_hooks
