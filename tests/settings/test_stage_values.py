"""What decides a stage, and how two sets of values differ."""

from usb_ext.settings import load_settings
from usb_ext.settings.stage_values import PRETRAIN, PROPAGATE, SELECT, differences, stage_values


def test_what_decides_a_stage() -> None:
    assert {"net", "img_size", "ssl_seed", "ssl_epochs"} <= set(PRETRAIN)
    assert not {"seed", "save_dir", "ssl_name", "ssl_save_epochs", "num_labels", "lr"} & set(
        PRETRAIN
    )
    assert {"num_labels", "as3l_strategy", "as3l_runs"} <= set(SELECT) < set(PROPAGATE)
    assert not any(name.startswith("ssl_") for name in PROPAGATE)
    values = stage_values(load_settings({"as3l_clusters": [10]}).settings, PROPAGATE)
    assert values["as3l_clusters"] == [10]


def test_differences_are_told_by_name() -> None:
    then = {"a": 1, "b": 2, "gone": 0}
    assert differences(then, {"a": 1, "b": 3, "new": 4}) == (
        "b (2 then, 3 now), new (None then, 4 now), gone (0 then, None now)"
    )
    assert differences({"a": 1}, {"a": 1}) == ""
