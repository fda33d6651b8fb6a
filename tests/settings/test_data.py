"""Data settings: ratios and ranges."""

import pytest
from pydantic import ValidationError

from usb_ext.settings.data import DatasetSettings


@pytest.mark.parametrize("ratio", [1, 1.0, 100, -100, 286, -1, 1.5])
def test_imbalance_ratios(ratio: float) -> None:
    data = DatasetSettings(lb_imb_ratio=ratio, ulb_imb_ratio=ratio)
    assert data.lb_imb_ratio == ratio
    assert data.ulb_imb_ratio == ratio


@pytest.mark.parametrize("ratio", [0, 0.0, 0.5, -0.99, "100", None])
def test_other_ratios_are_rejected(ratio: object) -> None:
    for name in ("lb_imb_ratio", "ulb_imb_ratio"):
        with pytest.raises(ValidationError):
            DatasetSettings.model_validate({name: ratio})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_classes", 1),
        ("num_labels", 0),
        ("ulb_num_labels", 0),
        ("num_workers", -1),
        ("img_size", 0),
        ("img_size", 32.5),
        ("crop_ratio", 0.0),
        ("crop_ratio", 1.1),
        ("max_length", 0),
        ("max_length_seconds", 0),
        ("sample_rate", 0),
        ("cache_budget_mb", -1),
        ("label_split", "balanced"),
        ("train_sampler", "Random"),
        ("include_lb_to_ulb", "True"),
        ("dataset", ""),
        ("data_dir", ""),
    ],
)
def test_data_ranges(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        DatasetSettings.model_validate({name: value})


def test_no_workers_and_no_cache_are_allowed() -> None:
    data = DatasetSettings(num_workers=0, cache_budget_mb=0, crop_ratio=1, max_length_seconds=5)
    assert data.num_workers == data.cache_budget_mb == 0
