"""A network with its settings and weights: built when it is asked for, the same after pickling."""

import pickle

import torch

from usb_ext.settings import load_settings
from usb_ext.training.kept_network import KeptNetwork
from usb_ext.upstream.nets import MLP


def kept() -> tuple[KeptNetwork, MLP]:
    """A kept network whose averages differ from what was trained, and the averages as a network."""
    trained, averages = MLP(3, 4, (8,)), MLP(3, 4, (8,))
    settings = load_settings(
        {"net": "mlp_8", "num_classes": 3, "dataset": "arrays", "feature_size": 4, "num_labels": 3}
    ).settings
    state = {"model": trained.state_dict(), "ema_model": averages.state_dict(), "it": 5}
    return KeptNetwork.of_checkpoint(settings, {**state, "optimizer": "not kept"}), averages


def test_it_is_the_averaged_network_and_draws_nothing() -> None:
    found, averages = kept()
    assert set(found.state) == {"model", "ema_model", "it"}
    points = torch.randn(6, 4)
    before = torch.get_rng_state()
    network = found.network(torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), before) and not network.training
    assert torch.equal(network(points)["logits"], averages(points)["logits"])
    assert found.network(torch.device("cpu")) is network
    wide = found.network(torch.device("cpu"), torch.float64)(points.double())["logits"]
    assert wide.dtype == torch.float64


def test_a_pickle_has_settings_and_weights_alone() -> None:
    found, averages = kept()
    found.network(torch.device("cpu"))
    again = pickle.loads(pickle.dumps(found))
    assert again.settings == found.settings and again.state.keys() == found.state.keys()
    points = torch.randn(6, 4)
    assert torch.equal(
        again.network(torch.device("cpu"))(points)["logits"], averages(points)["logits"]
    )
