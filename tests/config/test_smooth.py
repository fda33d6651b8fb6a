"""Smooth Pseudo-Labeling's settings files: what the text keeps, and the codebase that it names (TorchSSL)."""

import pytest
from support.settings_files import header, settings

from usb_ext.training.compose import algorithm_classes, resolved

# TorchSSL's files for FixMatch: data set, labels, network, steps, batch, weight decay; and tau.
FILES: dict[str, tuple[str, int, str, int, int, float, float]] = {
    "smoothfixmatch_cifar10_40": ("cifar10", 40, "wrn_28_2", 2**20, 64, 5e-4, 0.95),
    "smoothfixmatch_cifar100_400": ("cifar100", 400, "wrn_28_8", 2**20, 64, 1e-3, 0.95),
    "smoothfixmatch_imagenet_100000": (
        "imagefolder", 100_000, "resnet50", 2_000_000, 32, 3e-4, 0.7,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_what_the_codebase_has(name: str) -> None:
    given = settings(name)
    s = resolved(given, algorithm_classes(given))
    found = (
        s.dataset,
        s.num_labels,
        s.net,
        s.num_train_iter,
        s.batch_size,
        s.weight_decay,
        s.p_cutoff,
    )
    assert found == FILES[name]
    assert (s.uratio, s.optim, s.lr, s.momentum, s.ema_m) == (7, "SGD", 0.03, 0.9, 0.999)
    assert s.num_train_iter % s.epoch == 0 and s.num_labels % s.num_classes == 0


@pytest.mark.parametrize("name", [*FILES, "smoothfixmatch_digits_40"])
def test_the_linear_factor_without_its_own_loss_calibrated(name: str) -> None:
    """Secs. 3.4, 3.7 and C.1."""
    s = settings(name)
    assert (s.algorithm, s.active_base, s.active_extensions) == (
        "smoothfixmatch", "fixmatch", ("smooth_weight",),
    )  # fmt: skip
    assert (s.smooth_exponent, s.lambda_phi, s.ulb_loss_ratio) == (1.0, 0.0, "calibrate")
    assert header(name)[0] == f"python usb_ext/train.py --c config/{name}.yaml"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("baseline", ["fixmatch", "flexmatch"])
def test_a_baseline_runs_from_the_same_file_with_weight_one(name: str, baseline: str) -> None:
    """Sec. 3.6: FixMatch's weight is 1 in all experiments."""
    s = settings(name, algorithm=baseline)
    assert (s.ulb_loss_ratio, s.active_extensions) == (1.0, ())
    assert (s.num_train_iter, s.weight_decay) == (FILES[name][3], FILES[name][5])
