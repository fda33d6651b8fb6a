"""What is said of time and room, from a measurement that the test gives."""

import pytest

from usb_ext.quickstart.estimate import Cost, Estimate, measured
from usb_ext.settings import Settings


def test_time_and_room_follow_from_the_measurement() -> None:
    found = Estimate("a machine", 0.01, 1024)
    assert found.features(5000, 13, 1000) == Cost(660.0, 66000 * 1024 * 2)
    settings = Settings(batch_size=10, uratio=7, num_train_iter=1000)
    assert found.training(settings) == pytest.approx(1000 * 150 * 3 * 0.01)


@pytest.mark.parametrize(("net", "width"), [("wrn_10_1", 64), ("wrn_28_2", 128)])
def test_a_network_is_measured(net: str, width: int) -> None:
    found = measured(Settings(net=net, img_size=32, device="cpu"))
    assert found.dimensions == width and found.seconds > 0
